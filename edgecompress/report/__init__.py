"""A run's results for people: JSON, Markdown, one HTML page and two plots, from what the run folder holds."""
