"""Codecs: arrays to bytes and back, bit for bit, in pure NumPy."""
