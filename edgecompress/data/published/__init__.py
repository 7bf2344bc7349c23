"""Published data sets, and where they are looked for."""
