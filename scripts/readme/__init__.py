"""The parts of `scripts/readme_tables.py`: cells that all tables share, and the tables of packed files."""
