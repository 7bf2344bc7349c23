"""Which tensors of a network an int8 file rounds, and the ranges that were trained for it."""
