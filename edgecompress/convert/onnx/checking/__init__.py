"""The rules that an ONNX file must keep beyond what onnx's own checker looks at, an idea a module."""
