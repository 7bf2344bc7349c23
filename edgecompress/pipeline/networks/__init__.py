"""What a recipe trains: an architecture with fresh weights, or a model that somebody brings."""
