"""Where artifacts run: transports, and the conditions that a device is in."""
