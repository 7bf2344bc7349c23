"""Questions that any device must answer alike: a real one, or one emulated on this machine."""
