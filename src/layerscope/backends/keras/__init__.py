"""Keras 3, on JAX, TensorFlow and PyTorch."""
