"""LiteRT's rules for each operator, a file a family; they are used by `check` beside this folder."""
