"""Kernels of int8 files, whose scales are not those that the quantizer would give them."""
