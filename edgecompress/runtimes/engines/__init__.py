"""The runtimes that hold a model, in a child process only."""
