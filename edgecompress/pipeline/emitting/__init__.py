"""A model in a child process that emits files of it."""
