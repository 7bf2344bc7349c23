"""How LiteRT's int8 kernels round, in ONNX."""
