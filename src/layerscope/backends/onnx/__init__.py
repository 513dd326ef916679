"""ONNX, on ONNX Runtime."""
