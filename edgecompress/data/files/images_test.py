import os

import numpy as np
import pytest
from PIL import Image

from edgecompress.data.files.images import FITS, fit_image, list_folder, resampling
from edgecompress.errors import DataError

COLOURS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["bilinear", "nearest", "box", "hamming", "bicubic", "lanczos"])
def test_filters_are_pillows(name):
    resized = fit_image(Image.fromarray(COLOURS), size=(3, 2), channels=3, resize=name, fit="stretch")
    expected = Image.fromarray(COLOURS).resize((3, 2), getattr(Image.Resampling, name.upper()))
    assert np.array_equal(resized, np.asarray(expected))


def test_an_unknown_filter_is_refused_with_those_that_there_are():
    with pytest.raises(DataError, match="no resize filter 'Bilinear'") as refused:
        resampling("Bilinear")
    assert "bilinear" in refused.value.hint


def test_folders_are_listed_sorted_and_without_clutter(tmp_path):
    for name in ("b.png", "a.png", ".hidden", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).touch()
    for name in ("z", "y", ".git", "__MACOSX"):
        (tmp_path / name).mkdir()
    folders, files = list_folder(tmp_path)
    assert [path.name for path in folders] == ["y", "z"]
    assert [path.name for path in files] == ["a.png", "b.png"]


def test_links_in_a_circle_broken_links_and_pipes_are_named(tmp_path):
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=r"Neither a file nor a folder: .*gone, .*one, .*pipe, .*two"):
        list_folder(tmp_path)
    with pytest.raises(DataError, match=r"There is no folder .*one"):
        list_folder(tmp_path / "one")


@pytest.mark.parametrize(("width", "height"), [(12, 4), (4, 12)])
def test_images_of_another_shape_are_fitted_in_three_ways(width, height):
    """Thirds of 10, 20 and 30 along the longer side: all of it, its middle, or all of it between black."""
    bands = np.repeat(np.array([10, 20, 30], np.uint8), 4)
    pixels = np.tile(bands, (4, 1)) if width > height else np.tile(bands[:, None], (1, 4))
    image = Image.fromarray(pixels)

    def fitted(fit):
        found = fit_image(image, size=(6, 6), channels=1, resize="box", fit=fit)[..., 0]
        return found[3] if width > height else found[:, 3]

    assert fitted("stretch").tolist() == [10, 10, 20, 20, 30, 30]
    assert set(fitted("crop").tolist()) == {20}
    letterboxed = fit_image(image, size=(6, 6), channels=1, resize="box", fit="letterbox")[..., 0]
    across = letterboxed if width > height else letterboxed.T
    assert across[:, 0].tolist() == [0, 0, 10, 10, 0, 0]
    assert across[3].tolist() == [10, 10, 20, 20, 30, 30]


def test_an_unknown_way_to_fit_is_refused_with_those_that_there_are():
    with pytest.raises(DataError, match="no way 'squeeze'") as refused:
        fit_image(Image.fromarray(COLOURS), size=(3, 2), channels=3, resize="box", fit="squeeze")
    assert all(way in refused.value.hint for way in FITS)
