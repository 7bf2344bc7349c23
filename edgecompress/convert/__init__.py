"""From a trained model to TFLite and ONNX files that were loaded and run before they count."""
