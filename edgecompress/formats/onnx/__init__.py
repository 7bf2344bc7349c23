"""Readers of ONNX files: graphs, tensors, shapes and what a model costs, bounded."""
