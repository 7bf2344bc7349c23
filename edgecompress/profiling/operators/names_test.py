"""Names of XNNPACK's operators: laid over graphs by hand, and from the real library on files in which each is known."""

from pathlib import Path

import numpy as np
import pytest

from edgecompress.devices.probe import probe
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.formats.tflite.file import parse_graph, read_graph
from edgecompress.profiling.operators.names import UNKNOWN, Event, layer_names
from edgecompress.profiling.runner.launch import launch
from edgecompress.profiling.runner.session import RunnerSession
from edgecompress.testing.sample_files import TFLITE_FILES
from edgecompress.testing.tflite_files import T, build, options

LOCAL = LocalTransport()
FORM = [1, 4, 4, 2]
ADD, POOL = "Add (ND)", "Max Pooling (NHWC, F32)"
CLAMP, IGEMM, DWCONV = "Clamp (NC)", "Convolution (NHWC, F32) IGEMM", "Convolution (NHWC, F32) DWConv"


def weights(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def chain(*kinds):
    """Operators one behind the other, whose outputs are named a, b, c, ..."""
    tensors, operators = [T(FORM, name="x")], []
    for letter, kind in zip("abcdefghijkl", kinds, strict=False):
        kind, _, fused = kind.partition("+")
        source, inputs = len(tensors) - 1, [len(tensors) - 1]
        made = None
        if kind == "ADD":
            inputs, made = [source, source], options("AddOptions", fusedActivationFunction=bool(fused))
        elif kind == "CONV_2D":
            tensors += [T([2, 3, 3, 2], data=weights(2, 3, 3, 2)), T([2], data=weights(2))]
            inputs += [source + 1, source + 2]
            made = options("Conv2DOptions", strideH=1, strideW=1, fusedActivationFunction=bool(fused))
        elif kind == "DEPTHWISE_CONV_2D":
            tensors += [T([1, 3, 3, 2], data=weights(1, 3, 3, 2)), T([2], data=weights(2))]
            inputs += [source + 1, source + 2]
            fields = {"strideH": 1, "strideW": 1, "depthMultiplier": 1, "dilationHFactor": 1, "dilationWFactor": 1}
            made = options("DepthwiseConv2DOptions", **fields)
        elif kind == "MAX_POOL_2D":
            made = options("Pool2DOptions", strideH=1, strideW=1, filterHeight=2, filterWidth=2)
        elif kind == "CUMSUM":
            tensors.append(T([], "INT32", data=np.array(1, np.int32)))
            inputs, made = [source, source + 1], options("CumsumOptions")
        tensors.append(T(FORM, name=letter))
        operators.append((kind, inputs, [len(tensors) - 1], made))
    return build(tensors, operators, inputs=[0])


def named(kinds, events):
    """Names from a profile by hand: kinds of XNNPACK's, or the number of one of the file's own."""
    told = [Event("own", each) if isinstance(each, int) else Event(each, None) for each in events]
    return layer_names(parse_graph(chain(*kinds)), told)


HANDS = {
    "one a layer": (["CONV_2D", "MAX_POOL_2D", "ADD"], [IGEMM, POOL, ADD], ["a", "b", "c"]),
    "an activation in its layer": (["CONV_2D", "RELU", "ADD"], [IGEMM, ADD], ["a", "c"]),
    "one that stands alone": (["MAX_POOL_2D", "RELU", "ADD"], [POOL, CLAMP, ADD], ["a", "b", "c"]),
    "fused in the file and made two": (["ADD+RELU", "ADD"], [ADD, CLAMP, ADD], ["a", "a", "b"]),
    "which of two was left out": (["RELU", "ADD", "RELU"], [ADD, CLAMP], ["b", "c"]),
    "either": (["RELU", "RELU", "ADD"], [CLAMP, ADD], ["a or b", "c"]),
    "one of many": (["RELU"] * 5, [CLAMP], [UNKNOWN]),
    "ends of names": (["DEPTHWISE_CONV_2D", "CONV_2D"], [DWCONV, IGEMM], ["a", "b"]),
    "in no order of the file's": (["CONV_2D", "DEPTHWISE_CONV_2D"], [DWCONV, IGEMM], [UNKNOWN, UNKNOWN]),
    "one too many": (["ADD"], [ADD, ADD], [UNKNOWN, UNKNOWN]),
    "one too few": (["ADD", "ADD"], [ADD], [UNKNOWN]),
    "a kind that is not known": (["ADD"], ["Teleport (ND)"], [UNKNOWN]),
    "its own between": (["ADD", "CUMSUM", "ADD"], [ADD, 1, ADD], ["a", "b", "c"]),
    "its own first": (["CUMSUM", "ADD"], [0, ADD], ["a", "b"]),
    "its own twice": (["CUMSUM", "CUMSUM"], [0, 1], ["a", "b"]),
    "its own in another order": (["CUMSUM", "ADD", "CUMSUM"], [2, ADD, 0], ["c", UNKNOWN, "a"]),
    "its own that is none of the file's": (["ADD"], [7, ADD], [UNKNOWN, UNKNOWN]),
    "a run that is wrong leaves others known": (
        ["ADD", "CUMSUM", "ADD", "MAX_POOL_2D"],
        [POOL, 1, ADD, POOL],
        [UNKNOWN, "b", "c", "d"],
    ),
}


@pytest.mark.parametrize("name", HANDS)
def test_profiles_laid_over_their_layers_by_hand(name):
    kinds, events, names = HANDS[name]
    assert named(kinds, events) == names


def test_runs_are_as_litert_partitions_them():
    """Two branches: what XNNPACK can take at once it gets at once, in front of the first of LiteRT's own."""
    axis = T([], "INT32", data=np.array(1, np.int32))
    add, cumsum = options("AddOptions"), options("CumsumOptions")
    tensors = [T([1, 4], name=name) for name in ("x", "a", "b", "c", "y")] + [axis]
    operators = [("CUMSUM", [0, 5], [1], cumsum), ("ADD", [0, 0], [2], add), ("ADD", [1, 2], [3], add)]
    graph = parse_graph(build(tensors, [*operators, ("CUMSUM", [3, 5], [4], cumsum)], inputs=[0], outputs=[4]))
    events = [Event("own", 0), Event(ADD, None), Event(ADD, None), Event("own", 3)]
    assert layer_names(graph, events) == ["a", "b", "c", "y"]


def profiled(path):
    how = launch(LOCAL, probe(LOCAL), path, runner="native", threads=1)
    with RunnerSession(LOCAL, how.words, model=path.name, limit_s=60) as session:
        return session.operator_times(runs=3, graph=read_graph(path))[0]


# Each kind once, or at places that the others tell apart, so that the profile's kinds alone say what is right.
REAL = {
    ("CONV_2D", "MAX_POOL_2D", "DEPTHWISE_CONV_2D", "ADD"): ["a", "b", "c", "d"],
    ("CONV_2D+RELU", "CUMSUM", "ADD+RELU", "LOGISTIC"): ["a", "b", "c", "d"],
    ("TANH", "CUMSUM", "CUMSUM", "LOGISTIC", "SOFTMAX"): ["a", "b", "c", "d", "e"],
}


@pytest.mark.parametrize("kinds", REAL, ids=" ".join)
def test_the_real_profile_of_a_file(kinds, tmp_path):
    path = tmp_path / "chain.tflite"
    path.write_bytes(chain(*kinds))
    table = profiled(path)
    assert list(dict.fromkeys(each.name for each in table)) == REAL[kinds]
    for each, kind in zip(table, kinds, strict=False):
        assert ("CUMSUM" in each.kind) == (kind == "CUMSUM")


def test_published_files(tmp_path):
    """Every operator of a landmark model, which has no two forms of one layer, has a name that its file has."""
    path = next(each for each in TFLITE_FILES if each.stem == "face_landmark")
    graph = read_graph(path)
    computed = {graph.tensors[operator.outputs[0]].name: operator.kind for operator in graph.operators}
    table = profiled(Path(path))
    assert {each.name for each in table} <= computed.keys()
    for each in table:
        if "PReLU" in each.kind or computed[each.name] == "PRELU":
            assert "PReLU" in each.kind and computed[each.name] == "PRELU"
