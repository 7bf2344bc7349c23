"""What users' models lose by native quantization-aware training, as `scripts/own_models.py` wrote it down."""

from __future__ import annotations

from readme.cells import read, table


def own_models() -> dict[str, str]:
    """Return each table as Markdown, by the name that its place in docs/own-models.md has."""
    rows = []
    for row in read("own_models.json")["rows"]:
        drop = row["drop"]
        kinds = f" ({', '.join(row['float_kinds'])})" if row.get("float_kinds") else ""
        rows.append(
            [
                row["network"],
                row["chain"],
                f"{row['dense']['percent']:.2f}",
                f"{row['int8']['percent']:.2f}",
                f"{drop['points']:+.2f} ({drop['low']:+.2f} to {drop['high']:+.2f})",
                f"{row['float_operators']}{kinds}",
                f"{row['equal_argmax']:.2f}",
            ]
        )
    head = ["network", "chain", "float, %", "int8, %", "drop, points (95 %)", "float operators", "argmax as trained, %"]
    return {"own_models": table(head, rows)}
