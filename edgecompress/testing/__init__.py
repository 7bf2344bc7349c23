"""Builders of networks for tests and scripts; not part of the installed package."""
