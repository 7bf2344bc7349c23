"""Writes README's tables anew from the code that they describe; a test compares.

python scripts/readme_tables.py
"""

from __future__ import annotations

import re
from pathlib import Path

from edgecompress.cli.main import COMMANDS
from edgecompress.convert.targets import TARGETS
from edgecompress.data import DATA_SETS
from edgecompress.methods import METHODS
from edgecompress.zoo import ARCHITECTURES

README = Path(__file__).parents[1] / "README.md"
MEANINGS = {
    "float32": "as trained",
    "float16": "float16 weights, float32 arithmetic",
    "dynamic": "int8 weights; activations are quantized while it runs",
    "int8": "int8 weights and activations",
    "int16x8": "int8 weights, int16 activations",
}


def tables() -> dict[str, str]:
    """Return each table as Markdown, by the name that its place in README has."""
    return {
        "commands": _table(
            ["command", "what it does"], [[f"`edgecompress {n}`", text] for n, text in COMMANDS.items()]
        ),
        "methods": _table(
            ["method", "what it does", "options", "paper"],
            [
                [
                    f"`{m.name}`",
                    m.summary,
                    ", ".join(f"`{o}`" for o in m.__dataclass_fields__ if o not in _OWN),
                    m.paper,
                ]
                for m in METHODS
            ],
        ),
        "architectures": _table(
            ["architecture", "what it is", "options", "paper"],
            [[f"`{a.name}`", a.summary, ", ".join(f"`{o.name}`" for o in a.options), a.paper] for a in ARCHITECTURES],
        ),
        "data": _table(["data", "what it is"], [[f"`{d.form}`", d.description] for d in DATA_SETS]),
        "targets": _table(["target", "what is stored"], [[f"`{t}`", MEANINGS[t.precision]] for t in TARGETS]),
    }


_OWN = {"name", "paper", "summary"}


def render(text: str) -> str:
    """Return README's text with the tables between its markers, `<!-- table: NAME -->` and `<!-- end -->`, made anew."""
    for name, table in tables().items():
        marked = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(
            marked, lambda found, table=table: f"{found[1]}\n{table}\n{found[2]}", text, flags=re.DOTALL
        )
        assert count == 1, f"README has {count} places for the table '{name}'"
    return text


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    README.write_text(render(README.read_text()))
