"""README says what the code says."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))  # where Python looks first when the script is run
SPEC = importlib.util.spec_from_file_location("readme_tables", ROOT / "scripts" / "readme_tables.py")
assert SPEC is not None and SPEC.loader is not None
readme_tables = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(readme_tables)
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", readme_tables.PAGES, ids=lambda page: page.name)
def test_the_tables_are_those_of_the_code(page: Path) -> None:
    assert readme_tables.render(page) == page.read_text(), "run `python scripts/readme_tables.py`"


def test_every_file_that_is_linked_exists() -> None:
    linked = re.findall(r"\]\((?!https?:|#)([^)#]+)", README)
    for page in (ROOT / "docs").glob("*.md"):
        linked += [f"docs/{target}" for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())]
    assert linked
    assert not [target for target in linked if not (ROOT / target).exists()]


def test_every_command_line_parses() -> None:
    """Each `edgecompress ...` line in README and docs names a command and options that exist."""
    import importlib as loader

    texts = [README, *(page.read_text() for page in (ROOT / "docs").glob("*.md"))]
    lines = [
        line
        for text in texts
        for line in re.findall(r"^ {4,7}(?:\$ )?edgecompress (.+?)(?:\s+#.*)?$", text, re.MULTILINE)
    ]
    assert len(lines) > 10
    for line in lines:
        name, *words = line.split()
        if name.startswith("-"):
            continue
        command = loader.import_module(f"edgecompress.cli.{name}").command
        while words and words[0] in getattr(command, "commands", {}):  # a command of a group
            command = command.commands[words.pop(0)]
        known = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
        used = {word.split("=")[0] for word in words if word.startswith("--")}
        assert used <= known, (line, used - known)
