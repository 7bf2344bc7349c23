"""Readers of Keras model files: configs and weights, bounded, and what code in them may be."""
