import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.errors import UnsupportedModelError
from edgecompress.runtimes.shapes import fixed_shapes, require_known_names, shape_text, shapes_to_ask
from edgecompress.testing.sample_files import CLASSIFIER, FACE, int8_relu
from edgecompress.testing.tflite_files import T, build
from edgecompress.values import TensorSpec


def spec(*shape, name="x"):
    return TensorSpec(name, shape, "float32")


@pytest.mark.parametrize(
    ("own", "given_shapes", "found"),
    [
        ((1, 4), {}, (1, 4)),
        ((-1, 4), {}, (1, 4)),
        ((-1, 4), {"x": (3, 4)}, (3, 4)),
        ((1, -1), {"x": (1, 512)}, (1, 512)),
        ((-1, -1, 2), {"x": (2, 7, 2), "another's": (1,)}, (2, 7, 2)),
        ((), {}, ()),
        ((-1,), {}, (1,)),
    ],
)
def test_shapes(own, given_shapes, found):
    assert fixed_shapes([spec(*own)], given_shapes, model="m") == (found,)


@pytest.mark.parametrize(
    ("own", "shape", "reason"),
    [
        ((1, -1), (1, 2, 3), "m: the shape 1x2x3 does not fit input 'x', which is 1x?; only what is marked ? is free."),
        ((1, -1), (2, 5), "m: the shape 2x5 does not fit input 'x', which is 1x?; only what is marked ? is free."),
        ((1, 4), (1, 5), "m: the shape 1x5 does not fit input 'x', which is 1x4; only what is marked ? is free."),
    ],
)
def test_a_shape_that_does_not_fit(own, shape, reason):
    with pytest.raises(UnsupportedModelError) as raised:
        fixed_shapes([spec(*own)], {"x": shape}, model="m")
    assert raised.value.message == reason


def test_every_input_that_needs_a_shape_is_named_with_what_to_give():
    inputs = [spec(-1, -1, 3, name="image"), spec(1, 4), spec(1, -1, name="the mask's")]
    with pytest.raises(UnsupportedModelError) as raised:
        fixed_shapes(inputs, {}, model="m.tflite")
    assert raised.value.message == (
        "m.tflite leaves more than the batch free: input 'image' of shape ?x?x3 and \"the mask's\" of shape 1x?."
    )
    words = "`--shape image=1xNx3 --shape 'the mask'\"'\"'s'=1xN`"
    assert raised.value.hint == f"Say how long, as in {words}."


@given(st.lists(st.integers(1, 9) | st.just(-1), max_size=5), st.data())
def test_what_fits_is_taken_and_what_does_not_is_refused(own, data):
    shape = tuple(data.draw(st.integers(1, 9)) for _ in range(data.draw(st.integers(0, 5))))
    fits = len(shape) == len(own) and all(a in (-1, b) for a, b in zip(own, shape, strict=True))
    try:
        assert fixed_shapes([spec(*own)], {"x": shape}, model="m") == (shape,) and fits
    except UnsupportedModelError:
        assert not fits


def test_a_file_is_asked_for_shapes_only_where_it_leaves_an_axis_free(tmp_path):
    free = tmp_path / "free.tflite"
    free.write_bytes(
        build([T([1, 1], name="x", signature=[1, -1]), T([1, 1], signature=[1, -1])], [("RELU", [0], [1], None)])
    )
    assert shapes_to_ask(FACE, {}) == () == shapes_to_ask(FACE, {"x": (1, 2)})
    assert shapes_to_ask(int8_relu(tmp_path), {}) == ((1, 2, 2, 1),)  # its batch is free
    assert shapes_to_ask(free, {"x": (1, 9)}) == ((1, 9),)
    with pytest.raises(UnsupportedModelError, match=r"^free\.tflite leaves more than the batch free: input 'x' of sha"):
        shapes_to_ask(free, {})
    assert shapes_to_ask(CLASSIFIER, {}) == ()  # its runtime knows
    assert shapes_to_ask(CLASSIFIER, {"x": (1, 3, 48, 64)}) == ((1, 3, 48, 64),)
    (tmp_path / "broken.tflite").write_bytes(b"broken")
    assert shapes_to_ask(tmp_path / "broken.tflite", {"x": (1, 9)}) == ()  # for its runtime to refuse


def test_a_name_that_no_file_has(tmp_path):
    require_known_names([tmp_path / "missing"], {})
    require_known_names([FACE, CLASSIFIER], {"x": (1,), "input": (1,)})
    with pytest.raises(UnsupportedModelError, match=r"^There is no input 'y' to give a shape; the files' inputs are"):
        require_known_names([CLASSIFIER], {"x": (1,), "y": (1,)})


def test_a_shape_as_text():
    assert [shape_text(each) for each in ((), (3,), (-1, 2, -1))] == ["", "3", "?x2x?"]
