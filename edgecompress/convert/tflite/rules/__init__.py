"""LiteRT's rules for each operator, a file a family; `check` beside this folder is the door."""
