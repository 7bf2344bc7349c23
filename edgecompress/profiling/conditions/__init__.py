"""The conditions of a measurement: what they are, what they mean for it, and when they spoil it."""
