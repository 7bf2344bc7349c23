"""Run an artifact on this host, each runtime in a process of its own; nothing here needs TensorFlow."""

from edgecompress.runtimes.engines.registration import register

__all__ = ["register"]
