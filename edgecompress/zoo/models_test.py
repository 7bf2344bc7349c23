"""What `models/` says of each architecture is what its builder makes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edgecompress.zoo import ARCHITECTURES, find
from edgecompress.zoo.counts import count

MODELS = Path(__file__).parents[2] / "models"
FILES = sorted(MODELS.glob("*/model.toml"))


def test_every_architecture_has_its_folder() -> None:
    assert [path.parent.name for path in FILES] == sorted(architecture.name for architecture in ARCHITECTURES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_counts_input_and_paper_are_as_stated(path: Path) -> None:
    stated = tomllib.loads(path.read_text())
    architecture = find(stated["architecture"])
    assert stated["paper"] == architecture.paper and stated["architecture"] == path.parent.name
    assert stated["input"] == [architecture.default_resolution] * 2 + [architecture.default_channels]
    for expected in stated["expected"]:
        parameters, multiply_adds = count(
            architecture.build(classes=stated.get("classes", 1000), **expected["options"])
        )
        assert parameters == expected["parameters"]
        assert multiply_adds == expected.get("multiply_adds", multiply_adds)
