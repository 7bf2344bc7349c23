"""The one fit loop: its steps, their order and learning rates, and the checkpoints from which it goes on."""
