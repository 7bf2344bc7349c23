"""Files on devices: whether they compute there what they do here, and how long they take."""
