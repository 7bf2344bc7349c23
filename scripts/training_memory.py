"""How much memory a training on photos takes that are more than memory: 50,000 of them at 224 x 224 pixels.

    python scripts/training_memory.py [--photos 50000] [--resolution 224] [--json models/training_memory.json]

Photos of noise and shapes, as JPEG files, are made once in build/training_memory, where the run lies as well. The
command trains MobileNetV1 0.25 for one epoch. Its memory is looked at ten times a second: what is its own (anonymous),
and all that is resident, where pages of the file of pixels count that the system takes back when others need them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import psutil
from PIL import Image, ImageDraw

from edgecompress.devices.conditions import snapshot
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text

FOLDER = Path("build/training_memory")
CLASSES = ("circle", "square")
SIDE = 256
LIMIT_BYTES = 4 << 30
EVERY_S = 0.1


def main() -> None:
    """Make the photos, train, look at the memory, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=50_000)
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with ProcessPoolExecutor() as pool:
        list(pool.map(_photo, range(arguments.photos), chunksize=500))
    run = FOLDER / "run"
    shutil.rmtree(run, ignore_errors=True)
    command = [
        *(sys.executable, "-m", "edgecompress", "train", "mobilenet_v1", "--width", "0.25", "--epochs", "1"),
        *("--resolution", str(arguments.resolution), "--data", f"folder:{FOLDER / 'photos'}", "--out", str(run)),
    ]
    began = time.monotonic()
    own, resident = _watched(command)
    found = {
        "photos": arguments.photos,
        "resolution": arguments.resolution,
        "pixels_bytes": arguments.photos * arguments.resolution**2 * 3,
        "largest_own_bytes": own,
        "largest_resident_bytes": resident,
        "seconds": time.monotonic() - began,
    }
    for name, value in found.items():
        print(f"{name}: {value / 2**30:.2f} GiB" if name.endswith("bytes") else f"{name}: {value:g}")
    print("reached" if own <= LIMIT_BYTES else "NOT REACHED")
    if arguments.json:
        write_text(arguments.json, to_json({**found, "versions": versions(), "machine": snapshot()}))


def _photo(number: int) -> None:
    """A circle or a square of some colour somewhere on noise."""
    kind = CLASSES[number % 2]
    place = FOLDER / "photos" / kind / f"{number:06}.jpg"
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(number)
    coarse = random.integers(0, 256, (16, 16, 3), np.uint8)
    image = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    x, y, size = (int(value) for value in random.integers(20, 100, 3))
    colour = tuple(int(value) for value in random.integers(0, 256, 3))
    draw = ImageDraw.Draw(image)
    (draw.ellipse if kind == "circle" else draw.rectangle)((x, y, x + size, y + size), fill=colour)
    beside = place.with_suffix(".part")
    image.save(beside, "JPEG", quality=85)
    beside.replace(place)


def _watched(command: list[str]) -> tuple[int, int]:
    """The most that a command and its children had of their own at one time, and resident."""
    with subprocess.Popen(command, env={**os.environ, "XDG_CACHE_HOME": str(FOLDER / "cache")}) as process:
        own = resident = 0
        while process.poll() is None:
            found = [_memory(each) for each in _family(process.pid)]
            own, resident = max(own, sum(each[0] for each in found)), max(resident, sum(each[1] for each in found))
            time.sleep(EVERY_S)
    if process.returncode:
        raise SystemExit(f"the training failed with {process.returncode}")
    return own, resident


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def _memory(process: psutil.Process) -> tuple[int, int]:
    """Anonymous and resident bytes of a process, 0 of one that has ended."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    sizes = {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon", "VmRSS"))}
    return sizes.get("RssAnon", 0), sizes.get("VmRSS", 0)


if __name__ == "__main__":
    main()
