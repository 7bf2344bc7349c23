"""TFLite files as ONNX files."""
