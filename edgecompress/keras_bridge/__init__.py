"""Graphs of Keras 3 models: copied, walked, replayed, read, and compared."""
