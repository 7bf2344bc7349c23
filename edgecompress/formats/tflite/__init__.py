"""Readers of TFLite files: plain values, graphs, options and what a model costs, bounded."""
