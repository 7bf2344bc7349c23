"""The runner on a device: what it needs there, how it is started, and its answers, each checked."""
