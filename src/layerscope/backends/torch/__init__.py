"""Native PyTorch."""
