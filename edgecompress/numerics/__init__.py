"""Arithmetic in pure NumPy, without a framework."""
