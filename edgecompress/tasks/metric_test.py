"""Functions of users: one number for all samples with its interval, one a sample, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecompress.errors import DataError, UntrustedCodeError
from edgecompress.tasks.metric import GROUPS, Metric, load_metric

LABELS = np.random.default_rng(0).integers(0, 2, 1000)
OUTPUTS = LABELS + np.random.default_rng(1).normal(0, 1, 1000)

FILE = """
import numpy as np

def each(labels, outputs):
    return (outputs > 0.5) == labels

def mean(labels, outputs):
    return np.mean((outputs > 0.5) == labels)

def wrong(labels, outputs):
    return outputs[:3]

def none(labels, outputs):
    return float("nan") if len(labels) < 1000 else 0.5

def fails(labels, outputs):
    raise ValueError("no such label\\nat all")

number = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def test_one_number_has_values_with_its_mean_and_its_spread(file: Path) -> None:
    flags = load_metric(f"{file}:each", trust=True)(OUTPUTS, LABELS)
    values = load_metric(f"{file}:mean", trust=True)(OUTPUTS, LABELS)
    assert flags.dtype == bool and len(values) == GROUPS
    assert values.mean() == pytest.approx(flags.mean())
    # Of a mean, pseudo-values are the means of the groups: so small groups tell its spread to a third.
    assert values.std(ddof=1) / np.sqrt(GROUPS) == pytest.approx(flags.std() / np.sqrt(len(flags)), rel=0.5)


def test_a_metric_of_no_mean_is_its_own(file: Path) -> None:
    largest = Metric("largest", lambda labels, outputs: outputs.max())
    assert largest(OUTPUTS, LABELS).mean() == pytest.approx(OUTPUTS.max())
    assert largest(OUTPUTS[:1], LABELS[:1]).tolist() == [OUTPUTS[0]]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wrong", r"returned \(3,\) for 1000 samples"),
        ("fails", "failed: ValueError: no such label"),
        ("none", "is not a number for 950 of the samples"),
        ("number", "has no function 'number'"),
        ("nothing", "has no function 'nothing'"),
        ("a b", "Expected FILE.py:function"),
    ],
)
def test_what_is_wrong_is_a_sentence(file: Path, name: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_metric(f"{file}:{name}", trust=True)(OUTPUTS, LABELS)


def test_code_is_not_run_without_trust(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UntrustedCodeError, match="--trust"):
        load_metric(f"{file}:each", trust=False)
    with pytest.raises(DataError, match="There is no file"):
        load_metric(f"{tmp_path / 'none.py'}:each", trust=True)
    file.write_text("1 / 0")
    with pytest.raises(DataError, match="failed: ZeroDivisionError"):
        load_metric(f"{file}:each", trust=True)
