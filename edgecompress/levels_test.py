"""The house stays in order: a module imports only from levels above its own, and TensorFlow only where it may."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
ARCHITECTURE = (ROOT.parent / "docs" / "architecture.md").read_text()
LEVELS = {
    name: int(level)
    for level, names in re.findall(r"^\| (\d+) \| ([^|]+) \|", ARCHITECTURE, re.MULTILINE)
    for name in re.findall(r"`(\w+)`", names)
} | {"__init__": 0}
TENSORFLOW = ("tensorflow", "tf_keras", "tensorflow_model_optimization", "keras")
MAY_USE_TENSORFLOW = (
    "environment.py", "keras_types.py", "layers/", "keras_bridge/", "tfmot/", "zoo/", "data/", "methods/", "training/",
    "tasks/losses.py", "convert/tflite/export.py", "loading.py",
)  # fmt: skip
MAY_USE_KERAS_2 = ("environment.py", "tfmot/")  # the first only loads them
MODULES = [
    path for path in sorted(ROOT.rglob("*.py")) if not path.name.endswith("_test.py") and path.name != "conftest.py"
]


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def home(module: str) -> str | None:
    """Return the part of the house that a dotted name belongs to."""
    parts = module.split(".")
    if parts[0] != "edgecompress":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in LEVELS else "__init__"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_levels_above_it(path: Path) -> None:
    relative = path.relative_to(ROOT)
    own = relative.parts[0].removesuffix(".py")
    assert own in LEVELS, f"{own} has no level; give it one here"
    for module in imports(ast.parse(path.read_text())):
        other = home(module)
        if other in (None, own):
            continue
        assert LEVELS[other] < LEVELS[own], f"{relative} (level {LEVELS[own]}) imports {module} (level {LEVELS[other]})"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_tensorflow_is_imported_inside_functions_and_only_where_it_may(path: Path) -> None:
    relative = str(path.relative_to(ROOT))
    tree = ast.parse(path.read_text())
    at_start = [
        name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imports(ast.Module([node], []))
    ]
    assert not [name for name in at_start if name.split(".")[0] in TENSORFLOW]
    if not relative.startswith(MAY_USE_TENSORFLOW):
        assert not [name for name in imports(tree) if name.split(".")[0] in TENSORFLOW]


def test_keras_2_and_tf_mot_are_used_in_their_room_alone() -> None:
    users = [
        str(path.relative_to(ROOT))
        for path in MODULES
        for name in imports(ast.parse(path.read_text()))
        if name.rpartition(".")[2] in ("load_tf_keras", "load_tfmot", "tf_keras", "tensorflow_model_optimization")
    ]
    assert [user for user in users if not user.startswith(MAY_USE_KERAS_2)] == []
    assert users, "the names of what loads them have changed"


def test_every_place_that_the_architecture_names_is_there() -> None:
    named = re.findall(r"`([\w/]+(?:/|\.py))`", ARCHITECTURE)
    assert len(named) > 50
    places = (ROOT, ROOT.parent, *(ROOT / room for room in ("formats", "native")))
    assert [name for name in named if not any((place / name).exists() for place in places)] == ["x.py", "x_test.py"]


def test_every_module_has_a_level_and_no_level_is_of_a_module_that_is_gone() -> None:
    there = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in MODULES if path.name != "conftest.py"}
    assert there == set(LEVELS)


def test_no_file_is_longer_than_350_lines() -> None:
    assert not [path for path in MODULES if len(path.read_text().splitlines()) > 350]


def test_no_package_has_more_than_twelve_modules() -> None:
    """But those that hold a thing a file, which are listed in one place."""
    counted = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    large = {str(folder.relative_to(ROOT)) for folder, count in counted.items() if count > 12}
    assert large <= {".", "cli", "zoo"}
