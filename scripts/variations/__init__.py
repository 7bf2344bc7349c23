"""Tables of variations of networks that conversion once got wrong, and what judges them; see `case_variations.py`."""

from variations import binary, doors, files, images, layers, outputs, packed, recurrent

TABLES = (
    *recurrent.TABLES, *images.TABLES, *outputs.TABLES, *files.TABLES, *doors.TABLES, *binary.TABLES, *packed.TABLES,
    *layers.TABLES,
)  # fmt: skip
