"""What a model's inputs leave open, and what is counted all the same."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto, helper

from edgecompress.formats.onnx.summary_test import floats, read

STEPS, BATCH, INPUTS, CELLS = 7, 2, 5, 3
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def cell(kind: str, directions: int = 1, **attributes: int) -> tuple[NodeProto, dict[str, np.ndarray]]:
    """A recurrent node over "x", with constants; two outputs, of which the first may be left out."""
    rows = GATES[kind] * CELLS
    arrays = {
        "w": floats(directions, rows, INPUTS),
        "r": floats(directions, rows, CELLS),
        "b": floats(directions, 2 * rows),
    }
    direction = "bidirectional" if directions == 2 else "forward"
    node = helper.make_node(kind, ["x", *arrays], ["y"], hidden_size=CELLS, direction=direction, **attributes)
    return node, arrays


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("kind", GATES)
def test_recurrent_nodes_are_counted_by_hand(kind, directions):
    """Every step of every sequence meets all gates of both directions, over inputs and cells."""
    node, arrays = cell(kind, directions)
    found = read([node], {"x": [STEPS, BATCH, INPUTS]}, {"y": None}, arrays)
    kernels = directions * GATES[kind] * CELLS * (INPUTS + CELLS)
    assert found.multiply_adds == STEPS * BATCH * kernels
    assert found.parameters == kernels + directions * 2 * GATES[kind] * CELLS
    assert not found.layers[0].uncounted


def test_the_first_output_of_a_recurrent_node_may_be_left_out():
    node, arrays = cell("LSTM")
    node.output[:] = ["", "h"]
    found = read([node], {"x": [STEPS, 1, INPUTS]}, {"h": None}, arrays)
    assert found.multiply_adds == STEPS * 4 * CELLS * (INPUTS + CELLS)


def test_a_free_batch_of_sequences_counts_as_one():
    node, arrays = cell("GRU")
    node.input[0] = "steps"
    turn = helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2])
    found = read([turn, node], {"x": ["N", STEPS, INPUTS]}, {"y": None}, arrays)
    assert found.multiply_adds == STEPS * 3 * CELLS * (INPUTS + CELLS)
    assert found.layers[0].output_shape == (STEPS, -1, INPUTS)  # shown as the file has it


@pytest.mark.parametrize(
    "shape", [["T", 1, INPUTS], [None, 1, INPUTS], ["seq_len", "N", INPUTS], ["N", "T", INPUTS]], ids=str
)
def test_steps_that_are_free_are_uncounted(shape):
    """Also where they would be taken for a batch, being the first axis."""
    node, arrays = cell("LSTM")
    found = read([node], {"x": shape}, {"y": None}, arrays)
    assert found.layers[0].uncounted and found.multiply_adds == 0


def test_steps_that_become_rows_are_counted():
    """A product of each of the steps; that they are the first axis of a matrix makes them no batch."""
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["rows"]),
        helper.make_node("MatMul", ["rows", "k"], ["y"]),
    ]
    arrays = {"shape": np.array([-1, INPUTS]), "k": floats(INPUTS, 4)}
    for batch in (1, "N"):
        found = read(nodes, {"x": [batch, STEPS, INPUTS]}, {"y": None}, arrays)
        assert found.multiply_adds == STEPS * INPUTS * 4


def test_a_matrix_of_fixed_rows_is_no_batch_but_images_are():
    product = helper.make_node("MatMul", ["x", "k"], ["y"])
    assert read([product], {"x": [STEPS, INPUTS]}, {"y": None}, {"k": floats(INPUTS, 4)}).multiply_adds == 7 * 5 * 4
    convolution = helper.make_node("Conv", ["x", "k"], ["y"])
    found = read([convolution], {"x": [8, 3, 5, 5]}, {"y": [8, 2, 3, 3]}, {"k": floats(2, 3, 3, 3)})
    assert found.multiply_adds == 9 * 2 * 27


def test_the_length_of_a_sound_is_no_batch():
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["rows"]), helper.make_node("Conv", ["rows", "k"], ["y"])]
    arrays = {"shape": np.array([1, 1, -1]), "k": floats(4, 1, 9)}
    found = read(nodes, {"x": [15600]}, {"y": None}, arrays)
    assert found.multiply_adds == (15600 - 8) * 4 * 9
    found = read(nodes, {"x": ["samples"]}, {"y": None}, arrays)
    assert found.layers[1].uncounted and found.multiply_adds == 0


@pytest.mark.parametrize(("kind", "domain"), [("FusedConv", "com.microsoft"), ("Mine", "of.mine"), ("Einsum", "")])
def test_what_is_not_known_is_uncounted(kind, domain):
    node = helper.make_node(kind, ["x", "k"], ["y"], domain=domain)
    found = read([node], {"x": [1, 3, 5, 5]}, {"y": None}, {"k": floats(2, 3, 3, 3)})
    assert found.layers[0].uncounted and found.multiply_adds == 0


def test_inputs_that_disagree_on_the_batch_leave_it_open():
    nodes = [helper.make_node("MatMul", ["a", "k"], ["y"]), helper.make_node("MatMul", ["b", "k"], ["z"])]
    found = read(nodes, {"a": ["N", 4], "b": ["M", 4]}, {"y": None, "z": None}, {"k": floats(4, 2)})
    assert [layer.uncounted for layer in found.layers] == [True, True]
