"""Builders of files, networks and devices for tests and scripts; not part of the installed package."""
