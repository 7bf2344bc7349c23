import io
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgecompress.data.images import fit_image, list_folder, read_images, resampling
from edgecompress.errors import DataError

COLOURS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def save(path, pixels=COLOURS, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def read(*paths, size=None, channels=None):
    return read_images(paths, size=size, channels=channels)


def png_of(width, height):
    """A PNG of a few bytes that claims any size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm", "tga"])
def test_lossless_formats_come_back(tmp_path, suffix):
    assert np.array_equal(read(save(tmp_path / f"image.{suffix}"))[0], COLOURS)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "gif"])
def test_lossy_formats_come_back_as_pillow_decodes_them(tmp_path, suffix):
    path = save(tmp_path / f"image.{suffix}")
    with Image.open(path) as image:
        assert np.array_equal(read(path)[0], np.asarray(image.convert("RGB")))


def test_channels_are_gray_only_if_all_images_are(tmp_path):
    gray = save(tmp_path / "gray.png", COLOURS[..., 0])
    colour = save(tmp_path / "colour.png")
    assert np.array_equal(read(gray), COLOURS[np.newaxis, ..., :1])
    both = read(gray, colour)
    assert both.shape == (2, 6, 8, 3)
    assert np.array_equal(both[0], np.repeat(COLOURS[..., :1], 3, axis=2))
    assert read(gray, colour, channels=1).shape == (2, 6, 8, 1)


def test_a_palette_and_an_alpha_channel_become_rgb(tmp_path):
    flat = Image.new("RGB", (4, 4), (200, 30, 90))
    flat.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png", transparency=b"\x00\xff")
    flat.convert("RGBA").save(tmp_path / "alpha.png")
    pixels = read(tmp_path / "palette.png", tmp_path / "alpha.png")
    assert (pixels == (200, 30, 90)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright(tmp_path, orientation):
    turned = Image.fromarray(COLOURS)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned.save(tmp_path / "photo.png", exif=exif)
    # What each value of the EXIF orientation asks for, from the EXIF standard.
    upright = {
        1: COLOURS,
        2: COLOURS[:, ::-1],
        3: COLOURS[::-1, ::-1],
        4: COLOURS[::-1],
        5: COLOURS.transpose(1, 0, 2),
        6: np.rot90(COLOURS, -1),
        7: np.rot90(COLOURS, 2).transpose(1, 0, 2),
        8: np.rot90(COLOURS, 1),
    }[orientation]
    assert np.array_equal(read(tmp_path / "photo.png")[0], upright)


def test_images_of_several_sizes_need_a_size(tmp_path):
    paths = save(tmp_path / "a.png"), save(tmp_path / "b.png", COLOURS[:3])
    with pytest.raises(DataError, match="2 different sizes, such as 8x3 and 8x6"):
        read(*paths)
    assert read(*paths, size=(5, 4)).shape == (2, 4, 5, 3)


def test_progress_counts_the_images(tmp_path):
    told = []
    paths = [save(tmp_path / f"{index}.png") for index in range(3)]
    read_images(paths, size=None, channels=None, on_progress=lambda *report: told.append(report))
    assert told == [("read images", 1, 3), ("read images", 2, 3), ("read images", 3, 3)]


def test_files_that_are_not_images_are_named(tmp_path):
    for index in range(7):
        (tmp_path / f"{index}.txt").write_text("words")
    with pytest.raises(DataError, match=r"Not an image, or damaged: .*0\.txt, .*4\.txt and 2 more"):
        read(save(tmp_path / "good.png"), *sorted(tmp_path.glob("*.txt")))


def test_postscript_is_never_handed_to_an_interpreter(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "program.eps")
    with pytest.raises(DataError, match=r"Not an image, or damaged: .*program\.eps"):
        read(tmp_path / "program.eps")


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tiff", "webp"])
@pytest.mark.parametrize("keep_share", [0.0, 0.3, 0.9])
def test_an_image_that_is_cut_short_is_named(tmp_path, suffix, keep_share):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / f"cut.{suffix}", noise)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep_share * len(data))])
    with pytest.raises(DataError, match=rf"damaged.*cut\.{suffix}|cut\.{suffix} is damaged"):
        read(path)


@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (50_000, 50_000)])  # Pillow warns, and refuses
def test_a_decompression_bomb_is_named(tmp_path, width, height):
    (tmp_path / "bomb.png").write_bytes(png_of(width, height))
    with pytest.raises(DataError, match=r"More than 89478485 pixels in .*bomb\.png"):
        read(tmp_path / "bomb.png")


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deep_images_are_named(tmp_path, dtype):
    save(tmp_path / "deep.tiff", COLOURS[..., 0].astype(dtype))
    with pytest.raises(DataError, match=r"More than 8 bits a channel in .*deep\.tiff"):
        read(tmp_path / "deep.tiff")


def test_more_images_than_memory_holds_are_refused_before_one_is_decoded(tmp_path):
    with pytest.raises(DataError, match="of 1000000x1000000 needs 2794"):
        read(save(tmp_path / "a.png"), size=(1_000_000, 1_000_000))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's remarks on the damage
@settings(deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "ICO", "JPEG2000"]), st.data())
def test_damaged_images_are_refused_and_never_crash(tmp_path_factory, kind, data):
    buffer = io.BytesIO()
    Image.fromarray(COLOURS).save(buffer, kind)
    damaged = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "image"
    path.write_bytes(damaged)
    try:
        assert read(path, size=(4, 4), channels=3).shape == (1, 4, 4, 3)
    except DataError as error:
        assert str(path) in error.message


@pytest.mark.parametrize("name", ["bilinear", "nearest", "box", "hamming", "bicubic", "lanczos"])
def test_filters_are_pillows(name):
    resized = fit_image(Image.fromarray(COLOURS), size=(3, 2), channels=3, resize=name)
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
