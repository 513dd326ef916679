"""The perceptrons of scikit-learn."""
