"""Emitting `.tflite`: export through the frozen function, post-training quantization, names and metadata."""
