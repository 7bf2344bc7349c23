"""Bounded readers of model files (.tflite, .onnx, .h5, .keras): bytes to plain values, with no runtime."""
