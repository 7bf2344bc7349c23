"""Tables of variations of networks that conversion once got wrong, and what judges them; see `case_variations.py`."""

from variations import binary, doors, files, images, layers, outputs, packed, recurrent

MODULES = (recurrent, images, outputs, files, doors, binary, packed, layers)
TABLES = tuple(table for module in MODULES for table in module.TABLES)
