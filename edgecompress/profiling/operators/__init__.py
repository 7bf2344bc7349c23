"""Operators' times, and which layers they are of."""
