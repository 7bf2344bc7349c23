"""Measure artifacts with a clock: the protocol, and what its samples allow to be said."""
