"""TF-MOT and the Keras 2 that it wraps: models go in by translation, are trained there, and their weights come back."""
