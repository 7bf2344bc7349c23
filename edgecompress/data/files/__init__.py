"""Image files: which they are, decoding them, and where many of them stay."""
