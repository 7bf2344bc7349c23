"""The door to Keras: which Keras is live, loading model files, flattening and stripping models."""
