from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgecompress.data import load
from edgecompress.data.files.pictures import Wanted, read_images
from edgecompress.data.preprocessing import apply, fit_pixels, scale_pixels, standard
from edgecompress.errors import DataError
from edgecompress.values import Preprocessing

GENERATOR = np.random.default_rng(0)
GRAY = GENERATOR.integers(0, 256, (3, 7, 5, 1), dtype=np.uint8)
COLOUR = GENERATOR.integers(0, 256, (3, 7, 5, 3), dtype=np.uint8)


def test_the_standard_is_minus_one_to_one_with_the_labels_of_the_data_set():
    preprocessing = standard(load("digits"), size=(32, 32))
    assert (preprocessing.height, preprocessing.width, preprocessing.channels) == (32, 32, 1)
    assert preprocessing.labels == tuple("0123456789")
    levels = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
    one_pixel = replace(preprocessing, height=1, width=1)
    inputs = scale_pixels(levels, one_pixel).ravel()
    assert inputs[0] == -1
    # Two roundings to float32 near 2 (scale times 255) and one near 1: at most 2^-23 + 2^-23 + 2^-25.
    assert np.allclose(inputs, np.arange(256) / 127.5 - 1, rtol=0, atol=2.5 * 2**-23)


def test_apply_is_worked_by_hand():
    preprocessing = Preprocessing(1, 1, 3, scale=(0.5, 1.0, 2.0), offset=(0.0, -1.0, 1.0))
    inputs = apply(preprocessing, np.array([10, 20, 30], np.uint8).reshape(1, 1, 1, 3))
    assert inputs.dtype == np.float32
    assert inputs.tolist() == [[[[5.0, 19.0, 61.0]]]]


def test_pixels_of_the_right_form_are_passed_on_as_they_are():
    assert fit_pixels(COLOUR, Preprocessing(7, 5, 3)) is COLOUR


@pytest.mark.parametrize("images", [GRAY, COLOUR])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("resize", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
@pytest.mark.parametrize(("height", "width"), [(7, 5), (4, 9), (14, 10), (1, 1)])
def test_each_image_becomes_what_pillow_makes_of_it(images, channels, resize, height, width):
    pixels = fit_pixels(images, Preprocessing(height, width, channels, resize=resize))
    assert pixels.shape == (3, height, width, channels)
    for image, made in zip(images, pixels, strict=True):
        pillow = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        pillow = pillow.resize((width, height), Image.Resampling[resize.upper()])
        pillow = pillow.convert("L" if channels == 1 else "RGB")
        assert np.array_equal(made.squeeze(-1) if channels == 1 else made, np.asarray(pillow))


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_gray_is_the_luma_of_itu_r_601(colour):
    gray = fit_pixels(np.array(colour, np.uint8).reshape(1, 1, 1, 3), Preprocessing(1, 1, 1)).item()
    luma = (299 * colour[0] + 587 * colour[1] + 114 * colour[2]) / 1000
    # Rounded to the nearest, with weights rounded to 1/65536: 0.5 + 3 * 255 * 0.5 / 65536.
    assert abs(gray - luma) <= 0.506


def test_files_and_arrays_are_treated_alike(tmp_path):
    paths = []
    for index, pixels in enumerate(COLOUR):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(pixels).save(paths[-1])
    for channels in (1, 3):
        from_files = read_images(paths, Wanted((9, 4), channels))
        assert np.array_equal(from_files, fit_pixels(COLOUR, Preprocessing(4, 9, channels)))


def test_no_images_are_no_error():
    assert apply(Preprocessing(9, 4, 3), GRAY[:0]).shape == (0, 9, 4, 3)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (GRAY.astype(np.float32), r"got float32 of shape \(3, 7, 5, 1\)"),
        (GRAY[0], r"uint8 of shape \(N, H, W, C\)"),
        (np.zeros((2, 4, 4, 4), np.uint8), "1 or 3 channels"),
        (np.zeros((2, 0, 4, 1), np.uint8), r"\(2, 0, 4, 1\)"),
    ],
)
def test_other_images_are_refused(images, said):
    with pytest.raises(DataError, match=said):
        apply(Preprocessing(4, 4, 1), images)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"height": 0}, "got 0x5x1, NHWC"),
        ({"channels": 2}, "got 7x5x2"),
        ({"layout": "NCHW"}, "NCHW"),
        ({"scale": (1.0, 1.0)}, "got 2 and 1"),
        ({"offset": ()}, "got 1 and 0"),
        ({"resize": "area"}, "no resize filter 'area'"),
        ({"height": 10**9, "width": 10**9}, "GiB"),
    ],
)
def test_other_preprocessings_are_refused(changed, said):
    with pytest.raises(DataError, match=said):
        apply(replace(Preprocessing(7, 5, 1), **changed), GRAY)


def test_pixels_that_were_not_fitted_are_refused():
    with pytest.raises(DataError, match=r"Expected pixels of shape \(N, 4, 4, 1\); got \(3, 7, 5, 1\)"):
        scale_pixels(GRAY, Preprocessing(4, 4, 1))
