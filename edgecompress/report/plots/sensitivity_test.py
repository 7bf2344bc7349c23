from __future__ import annotations

import json

import pytest
from matplotlib.colors import to_hex

from edgecompress.pipeline.sensitivity import LayerSensitivity, Sensitivity
from edgecompress.report.plots.drawing import SERIES, style
from edgecompress.report.plots.sensitivity import sensitivity_plot, write_sensitivity
from edgecompress.storage import from_json
from edgecompress.verification import Accuracy

SPARSITIES = (0.5, 0.9, 0.99)


def accuracy(percent: float) -> Accuracy:
    return Accuracy(percent, percent - 1, percent + 1, 1000)


def scanned(*layers: tuple[str, float]) -> Sensitivity:
    figures = tuple(accuracy(percent) for percent in (98.0, 90.0, 20.0))
    return Sensitivity(
        model="m.h5",
        data="digits training split, 1000 of 1437 images",
        max_drop=1.0,
        sparsities=SPARSITIES,
        dense=accuracy(98.5),
        layers=tuple(LayerSensitivity(layer, 100, figures, proposal) for layer, proposal in layers),
        joint=accuracy(97.0),
        joint_sparsity=0.5,
        skipped=(),
    )


def draw(found: Sensitivity):
    with style():
        return sensitivity_plot(found)


def test_each_layer_is_a_line_over_what_is_left_and_each_proposal_a_ring() -> None:
    (axes,) = draw(scanned(("fc1", 0.5), ("fc2", 0.0))).axes
    curves = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert [line.get_label() for line in curves] == ["fc1", "fc2"]
    assert [list(line.get_ydata()) for line in curves] == [[98.0, 90.0, 20.0]] * 2
    assert list(curves[0].get_xdata()) == pytest.approx([50, 10, 1])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["50", "90", "99"]
    (ring,) = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (50, 98.0)
    assert to_hex(ring.get_color()) == SERIES[0]


def test_sixty_layers_are_told_apart() -> None:
    (axes,) = draw(scanned(*((f"layer_{index}", 0.0) for index in range(60)))).axes
    curves = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert len({(line.get_color(), line.get_marker(), line.get_linestyle()) for line in curves}) == 60


def test_both_files_are_written_the_same_each_time(tmp_path) -> None:
    found = scanned(("fc1", 0.9), ("_$odd$", 0.0))
    paths = write_sensitivity(found, tmp_path / "one")
    again = write_sensitivity(found, tmp_path / "two")
    for name, path in paths.items():
        assert path.read_bytes() == again[name].read_bytes()
    assert paths["sensitivity.png"].read_bytes().startswith(b"\x89PNG")
    assert from_json(Sensitivity, paths["sensitivity.json"]) == found
    assert json.loads(paths["sensitivity.json"].read_text())["layers"][0]["proposal"] == 0.9
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["sensitivity.json", "sensitivity.png"]
