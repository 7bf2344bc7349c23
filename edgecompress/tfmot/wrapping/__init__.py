"""TF-MOT's wrappers: models go in, are wrapped, and come out with their weights."""
