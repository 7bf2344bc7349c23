"""One guarded child process, in which model files are read, run and converted; nothing here needs TensorFlow."""
