"""edgecompress takes a small Keras network to a phone or a Raspberry Pi, and measures what arrived.

Importing this package changes nothing in the process: TensorFlow is loaded by the call that needs it.
"""

__version__ = "0.1.0"
