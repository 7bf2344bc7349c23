import io
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgecompress.data.files import kept_pixels, pictures
from edgecompress.data.files.pictures import Wanted, read_images, read_pictures
from edgecompress.errors import DataError

COLOURS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def save(path, pixels=COLOURS, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def read(*paths, size=None, channels=None):
    return read_images(paths, Wanted(size, channels))


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
    read_images(paths, Wanted(None, None), on_progress=lambda *report: told.append(report))
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


def test_more_images_than_the_disk_holds_are_refused_before_one_is_decoded(tmp_path):
    with pytest.raises(DataError, match=r"pixels of 1 images take 2794\.0 GiB in .*, and .* GiB are free"):
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


def test_damaged_images_can_be_left_out(tmp_path):
    """One that is cut short, and one whose head says nothing, between others."""
    grays = [save(tmp_path / f"{gray}.png", np.full((6, 8, 3), gray, np.uint8)) for gray in range(1, 5)]
    cut = save(tmp_path / "cut.jpg", np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    cut.write_bytes(cut.read_bytes()[:1500])
    (tmp_path / "words.png").write_text("words")
    paths = [grays[0], cut, grays[1], tmp_path / "words.png", *grays[2:]]
    found = read_pictures(paths, Wanted((4, 4), 1))
    assert found.numbers.tolist() == [0, 2, 4, 5]
    assert found.pixels[:, 0, 0, 0].tolist() == [1, 2, 3, 4]
    with pytest.raises(DataError, match=r"Not an image, or damaged: .*cut\.jpg, .*words\.png"):
        read(*paths, size=(4, 4))


def test_what_is_large_lies_on_disk_and_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    paths = [save(tmp_path / f"{index}.png", np.full((6, 8, 3), index, np.uint8)) for index in range(70)]
    (tmp_path / "70.png").write_text("words")
    wanted = Wanted((4, 3), 3)
    in_memory = read_pictures(paths, wanted)
    monkeypatch.setattr(pictures, "ON_DISK_BYTES", 100)
    on_disk = read_pictures(paths, wanted)
    assert isinstance(on_disk.pixels, np.memmap) and not on_disk.pixels.flags.writeable
    np.testing.assert_array_equal(on_disk.pixels, in_memory.pixels)
    monkeypatch.setattr(pictures, "_write", None)  # nothing is decoded again
    again = read_pictures(paths, wanted)
    np.testing.assert_array_equal(again.pixels, in_memory.pixels)
    np.testing.assert_array_equal(again.numbers, in_memory.numbers)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pictures, "ON_DISK_BYTES", 100)
    save(paths[7], np.full((6, 8, 3), 99, np.uint8))
    os.utime(paths[7], ns=(1, 1))
    assert read_pictures(paths, wanted).pixels[7].max() == 99  # a file that changed is another
    folder = tmp_path / "cache" / "edgecompress" / "datasets" / "pixels"
    for place in folder.iterdir():
        place.write_bytes(b"cut short")
    young, old = (folder / f".edgecompress-part-{name}.npy" for name in ("abcdefgh", "stuvwxyz"))
    young.touch(), old.touch()
    os.utime(old, (1, 1))  # of a process that was killed long ago
    np.testing.assert_array_equal(read_pictures(paths, wanted).pixels[8], in_memory.pixels[8])
    assert young.exists() and not old.exists()


def test_a_disk_without_room_is_said_before_anything_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pictures, "ON_DISK_BYTES", 0)
    monkeypatch.setattr(kept_pixels, "SPARE_BYTES", 1 << 62)
    with pytest.raises(DataError, match=r"take 0\.0 GiB in .*pixels, and .* GiB are free there"):
        read(save(tmp_path / "a.png"))
    assert not list((tmp_path / "cache").rglob("*.npy"))
