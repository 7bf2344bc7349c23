"""The folder of a run: where each of its things lies, and who may work in it."""
