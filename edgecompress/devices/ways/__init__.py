"""The ways to a device: this machine, an emulated processor, ssh, adb."""
