"""Whether a device can measure, and what there is to do about it."""
