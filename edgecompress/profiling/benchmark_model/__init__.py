"""Measurements by Google's `benchmark_model`."""
