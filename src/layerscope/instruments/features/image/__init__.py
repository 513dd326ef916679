"""What is optimized: images, how they are parameterized, and the recipes."""
