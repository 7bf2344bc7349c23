"""Where the constant tensors of model files lie."""
