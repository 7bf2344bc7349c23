"""Layers in the place of those that files of Larq and of earlier versions name."""
