from dataclasses import replace

import pytest

from edgecompress.report.collect import collect
from edgecompress.report.content import Conditions, Content, Epoch, FloatOperators, Setting, SlowOperators
from edgecompress.report.summaries import before_and_after, grouped, kept_float, legend, share, stages
from edgecompress.runs.folder import RunFolder
from edgecompress.values import LayerNote, OperatorTime

SETTING = Setting("local", 1)


@pytest.fixture
def content(complete: RunFolder) -> Content:
    return collect(complete)


def test_the_legend_explains_the_marks_that_are_there(content: Content, converted: RunFolder) -> None:
    whole = " ".join(legend(content))
    assert "cannot tell" in whole
    assert "Pareto front of size after zstd, accuracy, p50 (local, 1 thread):" in whole
    assert "fashion_mnist test split, 10000 of 10000 images" in whole
    assert legend(collect(converted)) == ["The best of a column is bold; 1 KiB is 1024 bytes."]


def test_layers_are_grouped_by_what_was_done_and_why() -> None:
    notes = (
        LayerNote("a", "pruned", "", {"sparsity": 0.79, "distinct_values": 16}),
        LayerNote("b", "skipped", "too small"),
        LayerNote("c", "pruned", "", {"sparsity": 0.8, "distinct_values": 16}),
        LayerNote("a", "quantized"),
    )
    assert grouped(notes) == [
        ("pruned", "", "sparsity 0.79–0.8, distinct values 16", ["a", "c"]),
        ("skipped", "too small", "", ["b"]),
        ("quantized", "", "", ["a"]),
    ]


def test_a_float_operator_is_said_once_with_all_its_files(content: Content) -> None:
    softmax, pad = LayerNote("softmax", "kept float", "no int8"), LayerNote("pad", "kept float", "no int8")
    files = (FloatOperators("a", (softmax,)), FloatOperators("b", (softmax, pad)), FloatOperators("c", ()))
    found = kept_float(replace(content, float_operators=files))
    assert found == [("softmax", "no int8", ["a", "b"]), ("pad", "no int8", ["b"])]


def test_stages_have_their_last_epoch_and_their_best() -> None:
    accuracies = [("dense", 0.5), ("dense", 0.7), ("dense", 0.6), ("1-pruning", 0.4)]
    epochs = tuple(Epoch(stage, 1, 0.1, 0.9, accuracy, 1e-3) for stage, accuracy in accuracies)
    assert stages(epochs) == [("dense", 3, epochs[2], 70.0), ("1-pruning", 1, epochs[3], 40.0)]


def test_conditions_are_flat_and_beside_one_another() -> None:
    before = {"load_average": [0.1, 0.2], "clocks": {"0-3": {"governor": "ondemand"}}, "throttled": "0x0"}
    after = {"load_average": [1.0, 0.5], "clocks": {"0-3": {"governor": "ondemand"}}, "memory": 7}
    assert before_and_after(Conditions(SETTING, before, after)) == [
        ("load average", "0.1, 0.2", "1.0, 0.5"),
        ("clocks 0-3 governor", "ondemand", "ondemand"),
        ("throttled", "0x0", ""),
        ("memory", "", "7"),
    ]


def test_shares_are_of_all_operators_and_of_nothing_none() -> None:
    operator = OperatorTime("a", "Conv", 250.0, 1.0)
    assert share(operator, SlowOperators("m", SETTING, "", 1000.0, (operator,))) == "25.0"
    assert share(operator, SlowOperators("m", SETTING, "", 0.0, (operator,))) == "0.0"
