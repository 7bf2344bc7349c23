"""The only conductor: a recipe becomes a model, files, and measurements; each leaves its results in a run folder."""
