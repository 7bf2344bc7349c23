"""TFLite's operators in ONNX, a module a kind."""
