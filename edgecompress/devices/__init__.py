"""Where artifacts run: addresses, transports, what a device is, and the conditions that it is in."""
