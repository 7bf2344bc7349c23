"""Binary layers of an ONNX graph, found and put in bits; `rewrite` beside it is the door."""
