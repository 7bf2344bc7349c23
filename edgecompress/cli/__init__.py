"""The command line: one file a command; each parses, makes one call into the library, and prints."""
