"""Layers that round as int8 files do, for the training of networks that are to be such files."""
