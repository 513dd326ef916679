"""Files of Keras, old and new."""
