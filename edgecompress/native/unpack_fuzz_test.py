import platform
import shutil
import subprocess

import pytest

from edgecompress.native.build import MACHINES, SOURCES
from edgecompress.native.unpack_test import any_segment, container, generated, outcome, plain_segment
from edgecompress.packing.header import content_hash, write_compact
from edgecompress.packing.lzma_streams import compress_solid
from edgecompress.packing.mixed_streams import compress_mixed
from edgecompress.packing.pack import pack_files
from edgecompress.packing.segment import MIXED, SOLID, pack_segment
from edgecompress.testing.arm import EMULATOR, build_for_arm, needs_arm

pytestmark = pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"nothing is built for {platform.machine()}")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="the system has no C compiler")
FLAGS = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off")
OK, NOT_PACKED, VERSION, DAMAGED, TOO_LARGE = range(5)


def seeds(folder):
    """Write small packed files that reach all of the decoder."""
    folder.mkdir()
    packed = [pack_files({"a": b"1234" * 20, "b/c": b"", "d": bytes(range(50))}).data]
    for seed in range(20):
        body, content = any_segment(seed)
        plain = plain_segment(body)
        packed += [container(content, [each], [len(content)]) for each in (body, plain) if len(each) <= len(content)]
        bodies, sizes, both = generated(seed)
        packed.append(container(both, bodies, sizes))
        packed += [
            write_compact("m.onnx", content, each)
            for each in (body, bytes([SOLID]) + compress_solid(content))
            if len(each) <= len(content)
        ]
        packed.append(container(content, [pack_segment(content, [], [], mixes=False)], [len(content)]))
        packed.append(container(content[:200], [bytes([MIXED]) + compress_mixed(content[:200])], [len(content[:200])]))
    paths = []
    for index, each in enumerate(packed):
        paths.append(folder / f"{index}.ecz")
        paths[-1].write_bytes(each)
    return paths


def fuzz(words, folder, *numbers, sources):
    seed, count, every = numbers
    folder.mkdir()
    done = subprocess.run(
        [*map(str, words), str(seed), str(count), str(folder), str(every), *map(str, sources)],
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [int(number) for number in done.stdout.split()]


@pytest.mark.slow
@needs_compiler
def test_no_input_makes_it_misbehave_and_python_agrees(tmp_path):
    """Damaged files under sanitizers, more in scripts/packing_fuzz.py; of some, all that was written is compared."""
    flags = ("-Og", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover")
    subprocess.run(["cc", *FLAGS, *flags, SOURCES / "unpack" / "fuzz.c", "-o", tmp_path / "fuzz"], check=True)
    counts = fuzz([tmp_path / "fuzz"], tmp_path / "kept", 1, 8_000, 20, sources=seeds(tmp_path / "seeds"))
    assert sum(counts) == 8_000 and all(counts[:TOO_LARGE]) and counts[DAMAGED] < 7_980
    kept = sorted((tmp_path / "kept").glob("*.ecz"))
    assert len(kept) == 800
    for path in kept:
        status, size, hashed = path.with_suffix(".txt").read_text().split()
        expected = outcome(path.read_bytes())
        if expected is None:  # where the file ends is seen at its end; Python looks there first
            assert int(status) != OK, path
        elif int(status) != TOO_LARGE:
            assert (int(status) == OK, int(size), hashed) == (
                expected[0], len(expected[1]), content_hash(expected[1]).hex()
            ), path  # fmt: skip


@pytest.mark.slow
@needs_compiler
@needs_arm
def test_arm_unpacks_the_same(tmp_path):
    source, found, sources = SOURCES / "unpack" / "fuzz.c", {}, seeds(tmp_path / "seeds")
    build_for_arm([source], tmp_path / "arm", *FLAGS, "-O3")
    subprocess.run(["cc", *FLAGS, "-O3", source, "-o", tmp_path / "own"], check=True, timeout=300)
    for name, start in (("arm", EMULATOR), ("own", ())):
        counts = fuzz([*start, tmp_path / name], tmp_path / f"{name}_kept", 2, 1500, 2, sources=sources)
        kept = sorted((tmp_path / f"{name}_kept").glob("*.txt"))
        found[name] = counts, [path.read_text() for path in kept]
    assert found["arm"] == found["own"] and found["own"][0][OK] and len(found["own"][1]) == 1500
