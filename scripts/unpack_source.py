"""Write the decoder of packed files as one C file with its header, to be compiled into an application.

python scripts/unpack_source.py FOLDER
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

from edgecompress.native.build import SOURCES
from edgecompress.storage import write_text

UNPACK = SOURCES / "unpack"


def joined() -> str:
    """Return `unpack.c` with the parts that it includes in their places."""
    whole = (UNPACK / "unpack.c").read_text()
    return re.sub(r'^#include "(\w+\.inc)"$', lambda found: (UNPACK / found[1]).read_text(), whole, flags=re.MULTILINE)


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "unpack.c", joined())
    shutil.copy(UNPACK / "unpack.h", folder / "unpack.h")
    print(f"{folder / 'unpack.c'} and unpack.h: compile the first with your application, and include the second.")


if __name__ == "__main__":
    main()
