"""The protocol that is spoken with every device, and the client programs that carry it."""
