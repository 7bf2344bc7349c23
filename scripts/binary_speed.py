"""Binary 3x3 convolutions against float32 and int8: chains of eight in both runtimes, and the bare kernels.

python scripts/binary_speed.py [--rounds 30] [--json models/binary_speed.json] [--emulated | --without-amx]

Every chain is eight convolutions of as many filters as channels, with batch norm, in one thread. Chains take turns in
blocks of a few inferences, each held by a process of its own; a figure is the median over all of a chain's inferences,
a ratio the median of the ratios of rounds. `--emulated` counts instructions on a Cortex-A76 instead, of chains of two.
`--without-amx` has the system refuse matrix tiles to all of them; a processor without AMX counts as the same.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.convert.conversion import Source, convert
from edgecompress.convert.targets import parse_target
from edgecompress.devices.address import Address
from edgecompress.devices.conditions import snapshot
from edgecompress.devices.connect import connect
from edgecompress.devices.holding.lock import reserved
from edgecompress.environment import load_keras
from edgecompress.native.build import SOURCES, build_binary_kernels
from edgecompress.pipeline.on_devices.profile import profile_files
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.plan import Plan
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text

SHAPES = ((56, 64), (28, 128), (14, 256))
CONVOLUTIONS = 8
EMULATED_CONVOLUTIONS = 2  # the emulator takes half a minute for these
TARGETS = {
    "float": ("tflite:float32", "tflite:int8", "onnx:float32", "onnx:int8"),
    "binary": ("tflite:binary", "onnx:binary"),
}
LIMITS = {"tflite:float32": 8.0, "tflite:int8": 2.0}  # at least so many times faster
AVX2_LIMIT = 4.0  # times faster than float32 in LiteRT
BOUND_LIMIT = 0.75  # of one pshufb and one paddb for 256 multiply-adds
INSTRUCTION_LIMITS = {"tflite:float32": 6.0, "tflite:int8": 1.5}  # so many times fewer
BLOCK_SECONDS = 0.1
ROUNDS = 41  # of the bare kernels


def main() -> None:
    """Measure, print a row a shape and form, and write all down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--emulated", action="store_true")
    parser.add_argument("--without-amx", action="store_true")
    arguments = parser.parse_args()
    if arguments.without_amx:
        forbid_amx()
    without_amx = arguments.without_amx or "amx_int8" not in snapshot()["flags"]
    section = "instructions" if arguments.emulated else "times_without_amx" if without_amx else "times"
    with tempfile.TemporaryDirectory() as folder:
        length = EMULATED_CONVOLUTIONS if arguments.emulated else CONVOLUTIONS
        files = {shape: _chains(*shape, length, Path(folder)) for shape in SHAPES}
        if arguments.emulated:
            result = {_name(shape): _instructions(files[shape]) for shape in SHAPES}
        else:
            result = {_name(shape): _times(files[shape], arguments.rounds) for shape in SHAPES}
            result |= {"kernels": _bare()}
    if arguments.json:
        kept = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
        measured = {"results": result, "versions": versions(), "machine": snapshot()}
        write_text(arguments.json, to_json(kept | {section: measured}))


def forbid_amx() -> None:
    """Let this process and those it starts be refused the state of AMX, by a filter of system calls (x86-64)."""
    arch_prctl, request_state, allow, refuse = 158, 0x1023, 0x7FFF0000, 0x00050000 | errno.EPERM
    load, jump_equal, answer = 0x20, 0x15, 0x06  # of the filter's machine: a word, its comparison, the end
    number_at, first_argument_at = 0, 16
    steps = [
        (load, 0, 0, number_at),
        (jump_equal, 0, 3, arch_prctl),
        (load, 0, 0, first_argument_at),
        (jump_equal, 0, 1, request_state),
        (answer, 0, 0, refuse),
        (answer, 0, 0, allow),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    memory = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_filter, filter_mode = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.prctl(set_filter, filter_mode, program, 0, 0):
        raise SystemExit(f"the system takes no filter: {os.strerror(ctypes.get_errno())}")


def _name(shape: tuple[int, int]) -> str:
    side, channels = shape
    return f"{side}x{side}x{channels}"


def _chains(side: int, channels: int, length: int, folder: Path) -> dict[str, Path]:
    """Emit a chain for every target; the int8 ones are calibrated with noise, which their speed does not notice."""
    from edgecompress.layers.convolution import BinaryConv2D

    keras = load_keras()
    keras.utils.set_random_seed(0)
    noise = np.random.default_rng(0).normal(size=(8, side, side, channels)).astype(np.float32)
    found = {}
    for kind, targets in TARGETS.items():
        image = keras.Input((side, side, channels), name="image")
        x = image
        for _ in range(length):
            layer = keras.layers.Conv2D if kind == "float" else BinaryConv2D
            x = layer(channels, 3, padding="same", use_bias=False)(x)
            x = keras.layers.BatchNormalization()(x)
        source = Source(f"{_name((side, channels))}_{kind}", keras.Model(image, x), "noise")
        artifacts = convert(source, tuple(map(parse_target, targets)), folder, calibration=(noise,))
        found |= {artifact.target: Path(artifact.path) for artifact in artifacts}
    return found


def _times(files: dict[str, Path], rounds: int) -> dict[str, Any]:
    """Time all chains by turns."""
    samples: dict[str, list[list[int]]] = {}
    runtimes = {}
    with connect(Address("local")) as transport, reserved(transport), ExitStack() as stack:
        forms = {target: (path, "") for target, path in files.items()}
        forms["tflite:binary avx2"] = (files["tflite:binary"], "avx2")
        sessions = {}
        bench = stack.enter_context(Bench(transport, Plan()))
        for name, (path, kernels) in forms.items():
            os.environ.pop("EDGECOMPRESS_BINARY_KERNELS", None)
            if kernels:
                os.environ["EDGECOMPRESS_BINARY_KERNELS"] = kernels
            sessions[name], how = bench.open(path, threads=1)
            runtimes[name] = how.runtime(path, sessions[name].opened)
        for round_number in range(rounds + 1):
            for name, session in sessions.items():
                block = session.time_block(seconds=BLOCK_SECONDS)
                if round_number:  # the first warms up
                    samples.setdefault(name, []).append(list(block.samples_ns))
    medians = {name: [statistics.median(own) for own in blocks] for name, blocks in samples.items()}
    microseconds = {name: statistics.median(own) / 1000 / CONVOLUTIONS for name, own in medians.items()}
    for name, value in microseconds.items():
        print(
            f"{files['tflite:binary'].stem.split('_')[0]:12} {name:20} {value:8.1f} us a convolution  {runtimes[name]}"
        )
    ratios = {}
    for binary in ("tflite:binary", "tflite:binary avx2"):
        for other, limit in LIMITS.items() if binary == "tflite:binary" else (("tflite:float32", AVX2_LIMIT),):
            pairs = [theirs / ours for theirs, ours in zip(medians[other], medians[binary], strict=True)]
            ratios[f"{binary} over {other}"] = statistics.median(pairs)
            reached = "reached" if statistics.median(pairs) >= limit else "NOT REACHED"
            print(f"  {binary} is {statistics.median(pairs):.2f} x faster than {other} (at least {limit:g}: {reached})")
    return {"us_a_convolution": microseconds, "times_faster": ratios, "runtimes": runtimes, "rounds_ns": medians}


def _bare() -> dict[str, Any]:
    """Time the bare kernels, bits to bits, and the bound, by turns in one process."""
    with tempfile.TemporaryDirectory() as folder:
        program, library = Path(folder) / "binary_kernel_speed", build_binary_kernels("x86_64")
        source, headers = Path(__file__).with_suffix(".c").with_stem("binary_kernel_speed"), SOURCES / "binary"
        compiler = [sys.executable, "-m", "ziglang", "cc", "-O2", f"-I{headers}", f"-Wl,-rpath,{library.parent}"]
        subprocess.run([*compiler, str(source), str(library), "-o", str(program)], check=True)
        done = subprocess.run([str(program), str(ROUNDS)], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    for row in found["kernels"]:
        share = row["gmacs"] / found["bound_gmacs"]
        reached = "" if row["form"] != found["best"] else (" reached" if share >= BOUND_LIMIT else " NOT REACHED")
        print(
            f"{row['shape']:12} {row['form']:14} {row['gmacs']:7.1f} GMAC/s  {100 * share:5.1f} % of the bound{reached}"
        )
    return found


def _instructions(files: dict[str, Path]) -> dict[str, Any]:
    targets = ("tflite:float32", "tflite:int8", "tflite:binary")
    paths = [files[target] for target in targets]
    counts = profile_files(
        paths, devices=["emulated:cortex-a76"], plan=Plan(processes=2), all_or_none=True
    ).instructions
    found = {target: count.instructions / EMULATED_CONVOLUTIONS for target, count in zip(targets, counts, strict=True)}
    for other, limit in INSTRUCTION_LIMITS.items():
        ratio = found[other] / found["tflite:binary"]
        reached = "reached" if ratio >= limit else "NOT REACHED"
        name = files["tflite:binary"].stem
        print(f"{name}: {ratio:.2f} x fewer instructions than {other} (at least {limit:g}: {reached})")
    return found


if __name__ == "__main__":
    main()
