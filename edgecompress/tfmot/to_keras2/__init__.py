"""Models of Keras 3 rebuilt in Keras 2, layer by layer and compared."""
