"""Files of unusual forms in both runners, against the interpreter: state, free axes, shared tensors, types."""

import json

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper

from edgecompress.environment import load_tensorflow
from edgecompress.formats.tflite.inputs import peek_inputs
from edgecompress.native.runner_test import pytestmark, seeded  # noqa: F401 (skips there and here)
from edgecompress.testing.runners import RUNNERS, running
from edgecompress.testing.sample_files import write_onnx
from edgecompress.testing.tflite_files import T, build, options, recurrent, svdf

REFUSED = "refusal"


@pytest.fixture(params=RUNNERS)
def runner(request):
    return request.param


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """Two LSTM layers as TensorFlow's converter emits them: an operator each, with two variables."""
    tf = load_tensorflow()
    import tf_keras as keras

    keras.utils.set_random_seed(1)
    inputs = keras.Input((7, 5))
    x = keras.layers.LSTM(6, return_sequences=True)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(keras.layers.LSTM(4)(x)))
    concrete = tf.function(model).get_concrete_function(tf.TensorSpec((1, 7, 5)))
    path = tmp_path_factory.mktemp("converted") / "lstm.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], model).convert())
    return path, model


def interpreted(path, arrays, *, shapes=None):
    """Outputs of LiteRT's interpreter from a state of zeros."""
    interpreter = Interpreter(model_path=str(path))
    details = interpreter.get_input_details()
    for detail, shape in zip(details, shapes or [], strict=False):
        interpreter.resize_tensor_input(detail["index"], shape, strict=True)
    interpreter.allocate_tensors()
    interpreter.reset_all_variables()
    for detail, array in zip(details, arrays, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def words(path, runner):
    variables = peek_inputs(path).variables
    return ["--variables", ",".join(map(str, variables))] if variables and runner == "native" else []


def batch(started, folder, records):
    (folder / "in").write_bytes(b"".join(array.tobytes() for record in records for array in record))
    answer = started.ask(f"batch\t{folder}/in\t{folder}/out")
    assert answer["records"] == len(records)
    return (folder / "out").read_bytes()


@pytest.mark.parametrize("make", [svdf, recurrent])
def test_records_do_not_see_the_state_of_those_before(make, runner, tmp_path):
    path = make(tmp_path)
    with running(runner, path, *words(path, runner)) as started:
        first = started.answer()
        records = [seeded(first["inputs"], seed) for seed in range(3)]
        started.ask("time 5 0")  # leaves a state behind
        found = batch(started, tmp_path, [*records, records[0]])
    expected = [b"".join(array.tobytes() for array in interpreted(path, record)) for record in records]
    assert len(set(expected)) == 3
    assert found == b"".join([*expected, expected[0]])


def test_a_converted_lstm_computes_what_keras_does(converted, runner, tmp_path):
    path, model = converted
    assert len(peek_inputs(path).variables) == 4
    with running(runner, path, *words(path, runner)) as started:
        records = [seeded(started.answer()["inputs"], seed) for seed in (0,)] * 3
        found = np.frombuffer(batch(started, tmp_path, records), np.float32).reshape(3, 3)
        if runner == "native":
            kinds = [each["kind"] for each in started.ask("operators 2")["operators"]]
            assert kinds[:2] == ["UNIDIRECTIONAL_SEQUENCE_LSTM"] * 2
    assert (found[0] == found[1]).all() and (found[0] == found[2]).all()
    # Float32 in two orders of summation: sums of 11 products of values below 1 differ by a few units of 2^-24.
    assert found[:1] == pytest.approx(model(records[0][0]).numpy(), abs=1e-5)


@pytest.mark.parametrize("make", [svdf, recurrent])
def test_the_compiled_model_s_refusal_is_told_and_its_operators_too(make, tmp_path):
    path = make(tmp_path)
    with running("native", path, *words(path, "native")) as started:
        assert "refuses tensors that keep a value" in started.answer()["interpreter"]
        assert started.ask("operators 3")["operators"][0]["kind"] in ("SVDF", "UNIDIRECTIONAL_SEQUENCE_RNN")
    with running("native", path) as started:  # without being told where the variables are
        assert "CreateModelFromFile failed with status 5" in started.answer()[REFUSED]


def test_places_that_are_no_variables_are_refused(tmp_path):
    path = svdf(tmp_path)
    (place,) = peek_inputs(path).variables
    for places in (f"{place},{place}", f"{place + 1}", "999999999999", "4"):
        with running("native", path, "--variables", places) as started:
            assert started.answer()[REFUSED] == "the model is not the file whose variables were listed"


TENSOR = T([1, 4])
RELU = ("RELU", [0], [1], None)
SHARED = {
    "an input that is an output": ([TENSOR, TENSOR], [RELU], [0, 1]),
    "an output in front of the input": ([TENSOR, TENSOR], [RELU], [1, 0]),
    "nothing but an input": ([TENSOR, TENSOR], [RELU], [0]),
    "an output twice": ([TENSOR, TENSOR], [RELU], [1, 1]),
    "an input twice among the outputs": ([TENSOR, TENSOR], [RELU], [0, 1, 0]),
    "an output that is read on": ([TENSOR, TENSOR, TENSOR], [RELU, ("TANH", [1], [2], None)], [1, 2]),
    "a constant": ([TENSOR, TENSOR, T([1, 4], data=np.arange(4, dtype=np.float32))], [RELU], [2, 1]),
    "no operator": ([TENSOR], [], [0]),
}


@pytest.mark.parametrize("name", SHARED)
def test_outputs_that_share_a_tensor(name, runner, tmp_path):
    tensors, operators, outputs = SHARED[name]
    path = tmp_path / "shared.tflite"
    path.write_bytes(build(tensors, operators, inputs=[0], outputs=outputs))
    with running(runner, path) as started:
        inputs = started.answer()["inputs"]
        records = [[array - np.float32(0.5) for array in seeded(inputs, seed)] for seed in (1, 2)]
        found = batch(started, tmp_path, records)
    assert found == b"".join(array.tobytes() for record in records for array in interpreted(path, record))


@pytest.mark.parametrize(("dtype", "number"), [("uint16", 16), ("uint32", 15)])
def test_rare_types_of_integers(dtype, number, runner, tmp_path):
    path = tmp_path / "cast.tflite"
    cast = options("CastOptions", inDataType=number, outDataType=0)
    path.write_bytes(build([T([1, 4], dtype.upper()), T([1, 4])], [("CAST", [0], [1], cast)]))
    with running(runner, path) as started:
        first = started.answer()
        assert first["inputs"][0]["dtype"] == dtype
        record = [np.array([[0, 1, 250, 65535]], dtype)]
        found = batch(started, tmp_path, [record])
    assert found == np.array([[0, 1, 250, 65535]], np.float32).tobytes()


def free_sum(folder, suffix):
    """The sum of two inputs that are 1 by anything by 2."""
    if suffix == ".onnx":
        tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "time", 2]) for name in ("a", "b", "c")]
        add = helper.make_node("Add", ["a", "b"], ["c"])
        return write_onnx(folder / "sum.onnx", [add], tensors[:2], tensors[2:])
    free = [T([1, 1, 2], name=name, signature=[-1, -1, 2]) for name in ("a", "b", "c")]
    path = folder / "sum.tflite"
    path.write_bytes(build(free, [("ADD", [0, 1], [2], options("AddOptions"))]))
    return path


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
@pytest.mark.parametrize("lengths", [(1, 7, 2), (3, 1, 2), (1, 512, 2)])
def test_free_axes_get_the_lengths_that_are_asked_for(suffix, lengths, runner, tmp_path):
    path, asked = free_sum(tmp_path, suffix), "x".join(map(str, lengths))
    with running(runner, path, "--shapes", f"{asked},{asked}") as started:
        first = started.answer()
        assert [each["shape"] for each in first["inputs"] + first["outputs"]] == [list(lengths)] * 3
        records = [seeded(first["inputs"], seed) for seed in (1, 2)]
        found = batch(started, tmp_path, records)
        if runner == "native" and suffix == ".tflite":
            assert started.ask("operators 2")["operators"]
    assert found == b"".join((a + b).tobytes() for a, b in records)


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
@pytest.mark.parametrize("asked", ["1x2,1x2", "1x7x2", "1x7x2,1x7"])
def test_shapes_of_another_rank_or_number_are_refused(suffix, asked, runner, tmp_path):
    with running(runner, free_sum(tmp_path, suffix), "--shapes", asked) as started:
        assert "and another number was asked for" in started.answer()[REFUSED]


@pytest.mark.parametrize(
    "asked", ["x", "1x", "1x2,", "-1", "1xx2", "1 2", "1x2;", ",".join(["1"] * 65), "x".join("1" * 9)]
)
def test_what_is_no_shape_is_a_wrong_option(asked, tmp_path):
    with running("native", free_sum(tmp_path, ".onnx"), "--shapes", asked) as started:
        line = started.receive(timeout_s=60)
        if asked == "1x2,":  # a scalar behind it
            assert "another number" in json.loads(line)[REFUSED]
        else:
            assert line is None and started.status() == 2
