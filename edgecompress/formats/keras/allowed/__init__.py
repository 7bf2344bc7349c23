"""What a Keras model file may name without trust: allow-lists, and the check of a config against them."""
