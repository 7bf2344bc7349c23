"""Binary layers of an ONNX graph, found and put in bits; it is used by `rewrite` beside it."""
