"""Layers that are several operations, written as several layers."""
