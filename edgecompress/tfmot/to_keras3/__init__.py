"""Models of Keras 2 rebuilt in Keras 3, layer by layer and compared."""
