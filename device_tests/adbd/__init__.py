"""An Android debug bridge daemon over TCP: enough of the protocol for the real `adb` client to work with it."""
