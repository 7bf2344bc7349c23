"""README's tables of packed files, of the decoders' speed, and of Deep Compression."""

from __future__ import annotations

import statistics
from typing import Any

from edgecompress.numerics.student import half_width
from readme.cells import below, read, table, yes

DEEP_COMPRESSION = {  # what the paper reports of each stage, and the largest error that is a success here
    "lenet_300_100": {"pruned": 12, "quantized": 32, "coded": 40, "error": 1.7},
    "lenet_5": {"pruned": 12, "quantized": 33, "coded": 39, "error": 0.9},
}
PACKED_KINDS = {"pruned + QAT": 0.85, "clustered": 0.85, "binary": 1.0, "int8": 1.0, "float32": 1.0}
STOCK_SIZES = {1 << 10: "up to 1 KiB", 1 << 16: "up to 64 KiB"}  # raw
MAX_MORE_BYTES = 16  # than the smallest that a stock compressor makes


def packing() -> str:
    """Bytes of a file of each kind, and the median of those that nobody here made."""
    found = read("packing.json")
    stock = ("gzip -9", "zstd -19", "xz -9")
    rows = [
        [kind, *(f"{sizes[column]:,}" for column in ("raw", *stock, "packed")), f"{sizes['share_of_better']:.2f}"]
        for kind, sizes in found["kinds"].items()
    ]
    shares = [sizes["share_of_better"] for sizes in found["others"].values()]
    rows.append([f"{len(shares)} files of others, median", *[""] * 5, f"{statistics.median(shares):.2f}"])
    return table(["file", "raw", *stock, "packed", "packed / the smallest other"], rows)


def packing_stock() -> str:
    """How large packed files are beside the smallest that a stock compressor makes, by kind and raw size."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(read("packing_stock.json")["files"], key=lambda row: (row["kind"], row["raw"])):
        size = next((words for most, words in STOCK_SIZES.items() if row["raw"] <= most), "above 64 KiB")
        groups.setdefault(f"{row['kind']}, {size}", []).append(row)
    rows = [
        [
            name,
            str(len(files)),
            f"{statistics.median(row['packed'] / row['stock'][row['best']] for row in files):.2f}",
            f"{min(row['packed'] / row['stock'][row['best']] for row in files):.2f}",
            f"{max(row['more_than_best'] for row in files):+,}",
        ]
        for name, files in groups.items()
    ]
    head = ["files", "number", "packed / the smallest other, median", "at the least", "bytes more, at the most"]
    return table(head, rows)


def packing_speed() -> str:
    """MB/s of the decoders, and of Zstandard's."""
    rows = [
        [name, *(f"{found['medians'][which]:.1f}" for which in ("c", "zstd", "python")), f"{found['median_share']:.2f}"]
        for name, found in read("packing.json")["decoding"].items()
    ]
    return table(["file", "C decoder, MB/s", "zstd, MB/s", "Python, MB/s", "C / zstd"], rows)


def deep_compression() -> str:
    """Ratio and error of each stage beside the paper's."""
    found = read("deep_compression.json")["networks"]
    rows = []
    for network, paper in DEEP_COMPRESSION.items():
        seeds = found[network]["seeds"]
        for stage, error in (
            ("dense", "dense"),
            ("pruned", "pruned"),
            ("quantized", "quantized"),
            ("coded", "quantized"),
        ):
            errors = [seed["errors"][error] for seed in seeds]
            ratio = statistics.median(seed["ratios"].get(stage, 1.0) for seed in seeds)
            rows.append(
                [
                    f"`{network}`",
                    stage,
                    f"{ratio:.1f}",
                    f"{paper.get(stage, '-')}",
                    f"{statistics.mean(errors):.2f} +- {half_width(errors):.2f}",
                ]
            )
        ratio = statistics.median(seed["container_ratio"] for seed in seeds)
        rows.append([f"`{network}`", "packed file", f"{ratio:.1f}", "-", rows[-1][-1]])
    return table(["network", "stage", "times smaller", "in the paper", "test error, % (95 % interval)"], rows)


def packing_goals() -> list[list[str]]:
    """What was to be reached, and whether it was."""
    packed, networks = read("packing.json"), read("deep_compression.json")["networks"]
    goals = []
    for network, paper in DEEP_COMPRESSION.items():
        found = networks[network]
        ratio, share = found["smallest_coded_ratio"], found["largest_container_share"]
        errors = [seed["errors"]["quantized"] for seed in found["seeds"]]
        rises = [seed["errors"]["quantized"] - seed["errors"]["dense"] for seed in found["seeds"]]
        goals += [
            [f"Deep Compression of `{network}`, times smaller", f"{ratio:.1f}", yes(ratio >= paper["coded"])],
            ["its error above the dense network, pp", *below(rises, 0.1, sign="+")],
            ["its error, %", *below(errors, paper["error"])],
            ["its packed file over the paper's accounting", f"{share:.2f}", yes(share <= 0.9)],
        ]
    for kind, limit in PACKED_KINDS.items():
        share = packed["kinds"][kind]["share_of_better"]
        goals.append([f"{kind}: packed over the better of xz and zstd", f"{share:.2f}", yes(share <= limit)])
    plain = packed["kinds"]["float32"]
    share = plain["packed"] / plain["raw"]
    slowest = min(found["median_share"] for found in packed["decoding"].values())
    speed = min(found["medians"]["c"] for found in packed["decoding"].values())
    seconds = packed["encoding"]["median_s"]
    compared = read("packing_stock.json")["files"]
    more = max(row["more_than_best"] for row in compared)
    return [
        *goals,
        ["float32: packed over raw", f"{share:.2f}", yes(share <= 0.9)],
        [
            f"{len(compared)} files: bytes above the smallest that a stock compressor makes, at the most",
            str(more),
            yes(more <= MAX_MORE_BYTES),
        ],
        ["C decoder over zstd's, slowest file", f"{slowest:.2f}", yes(slowest >= 1 / 8)],
        ["C decoder, slowest file, MB/s of output", f"{speed:.0f}", yes(speed > 50)],
        ["packing MobileNetV1 1.0/224 float32 (17 MB), s", f"{seconds:.1f}", yes(seconds < 20)],
    ]
