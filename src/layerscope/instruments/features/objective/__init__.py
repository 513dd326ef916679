"""What an image is to excite: objectives and how they are computed."""
