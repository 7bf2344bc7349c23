"""What runs on devices: C sources, the module that builds them, and the runtimes' libraries that they load."""
