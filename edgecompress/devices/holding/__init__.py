"""What holds a device: its lock, its clocks, and what a lost connection leaves of both."""
