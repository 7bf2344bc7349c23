"""Binary layers in TFLite files: found, packed to bits, and joined to integer thresholds."""
