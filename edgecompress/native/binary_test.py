import ctypes
import platform
from concurrent.futures import ThreadPoolExecutor
from ctypes import POINTER, byref, c_bool, c_char_p, c_int, c_int32, c_int64, c_size_t, c_void_p

import numpy as np
import pytest

from edgecompress.native.build import MACHINES, build_binary_kernels
from edgecompress.numerics.binary import Window, affine, binary_convolution, max_pool, pack_signs, unpack_signs

pytestmark = pytest.mark.skipif(
    platform.machine() not in MACHINES, reason=f"no kernels are built for {platform.machine()}"
)

FORMS = {"x86_64": ("portable", "avx2", "avx512", "avx512_popcnt", "amx"), "aarch64": ("portable", "neon")}
BITS, NHWC, NCHW = range(3)
WHY = 256


class Convolution(ctypes.Structure):
    _fields_ = [
        *((name, c_int32) for name in ("height", "width", "channels_in", "channels_out")),
        *((name, c_int32) for name in ("kernel_height", "kernel_width", "stride_height", "stride_width")),
        *((name, c_int32) for name in ("dilation_height", "dilation_width")),
        *((name, c_int32) for name in ("pad_top", "pad_left", "pad_bottom", "pad_right")),
        *((name, c_int32) for name in ("input_pixel_bytes", "output_pixel_bytes")),
        ("zero_padding", c_bool),
        ("relu", c_bool),
        ("output", c_int),
    ]


class Pool(ctypes.Structure):
    _fields_ = [
        *((name, c_int32) for name in ("height", "width", "pixel_bytes")),
        *((name, c_int32) for name in ("filter_height", "filter_width", "stride_height", "stride_width")),
        *((name, c_int32) for name in ("pad_top", "pad_left", "pad_bottom", "pad_right")),
    ]


@pytest.fixture(scope="module")
def library():
    loaded = ctypes.CDLL(build_binary_kernels(platform.machine()))
    loaded.binary_prepare.restype = loaded.binary_threads_start.restype = c_void_p
    loaded.binary_prepare.argtypes = [
        POINTER(Convolution), c_void_p, c_size_t, c_void_p, c_void_p, c_void_p, c_char_p,
    ]  # fmt: skip
    loaded.binary_release.argtypes = loaded.binary_threads_stop.argtypes = [c_void_p]
    loaded.binary_convolve.argtypes = [c_void_p, c_void_p, c_void_p, c_int64, c_void_p]
    for name in ("binary_quantize_nhwc", "binary_quantize_nchw", "binary_dequantize"):
        getattr(loaded, name).argtypes = [c_void_p, c_void_p, c_int64, c_int32, c_int32]
    loaded.binary_max_pool.argtypes = [POINTER(Pool), c_void_p, c_void_p, c_int64]
    loaded.binary_pool_sound.restype = c_bool
    loaded.binary_threads_start.argtypes = [c_size_t]
    loaded.binary_kernels.restype = c_char_p
    return loaded


@pytest.fixture
def use(library, monkeypatch):
    """Choose the form; a processor without it skips."""

    def choose(form):
        monkeypatch.setenv("EDGECOMPRESS_BINARY_KERNELS", form)
        if library.binary_kernels().decode() != form:
            pytest.skip(f"this processor has no {form}")

    return choose


@pytest.fixture(scope="module")
def three_threads(library):
    threads = library.binary_threads_start(3)
    yield threads
    library.binary_threads_stop(threads)


def pointer(array):
    assert array.flags.c_contiguous
    return array.ctypes.data


def guarded(shape, dtype):
    """An array at the end of a larger one, and what lies around it, to see that nothing else is written."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    around = np.full(size + 128, 0xA5, np.uint8)
    return around[64 : 64 + size].view(dtype).reshape(shape), (around[:64], around[64 + size :])


def convolve(library, geometry, images, kernel, *, multiplier=None, bias=None, threshold=None, threads=None):
    why = ctypes.create_string_buffer(WHY)
    given = [None if each is None else pointer(each) for each in (multiplier, bias, threshold)]
    plan = library.binary_prepare(byref(geometry), pointer(kernel), kernel.nbytes, *given, why)
    assert plan, why.value
    height, width = c_int32(), c_int32()
    library.binary_output_size(byref(geometry), byref(height), byref(width))
    batch, rows, columns = len(images), height.value, width.value
    if geometry.output == BITS:
        result, around = guarded((batch, rows, columns, geometry.output_pixel_bytes), np.uint8)
    elif geometry.output == NHWC:
        result, around = guarded((batch, rows, columns, geometry.channels_out), np.float32)
    else:
        result, around = guarded((batch, geometry.channels_out, rows, columns), np.float32)
    library.binary_convolve(plan, pointer(images), pointer(result), batch, threads)
    library.binary_release(plan)
    assert all((each == 0xA5).all() for each in around)
    return result


def random_bits(rng, shape, channels, word_bytes):
    return np.ascontiguousarray(pack_signs(rng.standard_normal((*shape, channels)), word_bytes=word_bytes))


def random_side(rng, largest):
    """Return size, taps, stride, dilation and the pads of one side, such that there is an output."""
    taps, dilation, stride = int(rng.integers(1, 5)), int(rng.choice([1, 1, 2, 3])), int(rng.integers(1, 4))
    reach = (taps - 1) * dilation + 1
    before, after = (int(rng.integers(0, reach)) for _ in range(2))
    size = int(rng.integers(max(1, reach - before - after), max(2, reach - before - after + largest)))
    return size, taps, stride, dilation, before, after


def random_case(rng, channels_in, channels_out, largest=9):
    height, kernel_height, stride_height, dilation_height, top, bottom = random_side(rng, largest)
    width, kernel_width, stride_width, dilation_width, left, right = random_side(rng, largest)
    word_bytes = int(rng.choice([1, 4]))
    images = random_bits(rng, (int(rng.integers(1, 4)), height, width), channels_in, word_bytes)
    kernel = random_bits(rng, (channels_out, kernel_height, kernel_width), channels_in, word_bytes)
    geometry = Convolution(
        height, width, channels_in, channels_out, kernel_height, kernel_width, stride_height, stride_width,
        dilation_height, dilation_width, top, left, bottom, right, images.shape[-1],
        pack_signs(np.ones(channels_out), word_bytes=word_bytes).size,
        bool(rng.integers(2)), bool(rng.integers(2)),
    )  # fmt: skip
    return geometry, images, kernel


def expected_sums(geometry, images, kernel):
    window = Window(
        (geometry.stride_height, geometry.stride_width),
        (geometry.dilation_height, geometry.dilation_width),
        (geometry.pad_top, geometry.pad_left, geometry.pad_bottom, geometry.pad_right),
    )
    return binary_convolution(images, kernel, window, channels=geometry.channels_in, zero_padding=geometry.zero_padding)


def check(library, rng, geometry, images, kernel, threads):
    """All three outputs, bit for bit."""
    sums = expected_sums(geometry, images, kernel)
    channels_out = geometry.channels_out
    products = geometry.channels_in * geometry.kernel_height * geometry.kernel_width
    threshold = rng.integers(-2, products + 2, channels_out).astype(np.int32)
    threshold[rng.random(channels_out) < 0.5] = products // 2
    geometry.output = BITS
    bits = convolve(library, geometry, images, kernel, threshold=threshold, threads=threads)
    wanted = np.packbits(products - sums > 2 * threshold.astype(np.int64), axis=-1, bitorder="little")
    np.testing.assert_array_equal(bits[..., : wanted.shape[-1]], wanted)
    assert not bits[..., wanted.shape[-1] :].any()
    multiplier, bias = (rng.standard_normal(channels_out).astype(np.float32) for _ in range(2))
    floats = affine(sums, multiplier, bias, relu=geometry.relu)
    for geometry.output, order in ((NHWC, (0, 1, 2, 3)), (NCHW, (0, 3, 1, 2))):
        result = convolve(library, geometry, images, kernel, multiplier=multiplier, bias=bias, threads=threads)
        assert result.tobytes() == np.ascontiguousarray(floats.transpose(order)).tobytes()


@pytest.mark.parametrize("form", FORMS.get(platform.machine(), ()))
@pytest.mark.parametrize("seed", range(4))
def test_every_form_computes_the_reference(form, seed, library, use, three_threads):
    use(form)
    rng = np.random.default_rng(seed)
    for _ in range(60):
        channels_in, channels_out = (int(rng.choice([*range(1, 71), 128, 256])) for _ in range(2))
        case = random_case(rng, channels_in, channels_out)
        check(library, rng, *case, rng.choice([None, three_threads]))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS.get(platform.machine(), ()))
def test_every_form_computes_the_reference_for_thousands_of_shapes(form, library, use, three_threads):
    use(form)
    rng = np.random.default_rng(99)
    for _ in range(3000):
        channels_in, channels_out = (int(rng.choice([*range(1, 71), 128, 256])) for _ in range(2))
        case = random_case(rng, channels_in, channels_out, largest=20)
        check(library, rng, *case, rng.choice([None, three_threads]))


@pytest.mark.parametrize("form", FORMS.get(platform.machine(), ()))
@pytest.mark.parametrize(
    ("size", "channels_in", "channels_out", "taps"),
    [
        (1, 65535, 5, 1),  # the most that 16 bits count, if every bit differs
        (1, 65536, 5, 1),
        (5, 8192, 3, 5),
        (1, 25088, 70, 1),
        (150, 8, 40, 1),  # more pixels than are computed at once, in one row of them all
        (3, 40, 1500, 3),  # so many channels that a row is computed in pieces
        (14, 256, 40, 3),  # kernels that no first cache holds as bytes, and several rows computed at once
        (17, 192, 70, 3),
    ],
)
def test_large_sums_and_long_rows(form, size, channels_in, channels_out, taps, library, use, three_threads):
    use(form)
    rng = np.random.default_rng(5)
    images, kernel = (
        random_bits(rng, (count, side, side), channels_in, 1) for count, side in ((2, size), (channels_out, taps))
    )
    images[0] = pack_signs(-np.ones(channels_in))
    kernel[0] = pack_signs(np.ones(channels_in))
    pad = taps // 2
    geometry = Convolution(
        size, size, channels_in, channels_out, taps, taps, 1, 1, 1, 1, pad, pad, pad, pad,
        images.shape[-1], -(-channels_out // 8), True, False,
    )  # fmt: skip
    check(library, rng, geometry, images, kernel, three_threads)


def test_bits_of_a_kernel_behind_its_channels_count_nothing(library):
    rng = np.random.default_rng(0)
    images, kernel = random_bits(rng, (1, 4, 4), 20, 4), random_bits(rng, (9, 3, 3), 20, 4)
    geometry = Convolution(4, 4, 20, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 4, 2, True, False, NHWC)
    ones, zeros = np.ones(9, np.float32), np.zeros(9, np.float32)
    clean = convolve(library, geometry, images, kernel, multiplier=ones, bias=zeros)
    kernel[..., 2] |= 0xF0
    kernel[..., 3] = 0xFF
    assert convolve(library, geometry, images, kernel, multiplier=ones, bias=zeros).tobytes() == clean.tobytes()


SOUND = {
    **dict.fromkeys(("height", "width"), 8),
    **dict.fromkeys(("channels_in", "channels_out"), 16),
    **dict.fromkeys(("kernel_height", "kernel_width"), 3),
    **dict.fromkeys(("stride_height", "stride_width", "dilation_height", "dilation_width"), 1),
    **dict.fromkeys(("pad_top", "pad_left", "pad_bottom", "pad_right"), 1),
    **dict.fromkeys(("input_pixel_bytes", "output_pixel_bytes"), 2),
}
HUGE = 2**31 - 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        *(({name: value}, "must be 1 to") for name in ("height", "channels_in", "channels_out", "kernel_width")
          for value in (0, -1, HUGE, -HUGE - 1)),
        *(({name: value}, "must be 1 to") for name in ("stride_width", "dilation_height") for value in (0, HUGE)),
        *(({name: value}, "must be 0 or more") for name in ("pad_top", "pad_right") for value in (-1, 3, HUGE)),
        ({"kernel_height": 20, "pad_top": 0}, "kernel covers 20 pixels"),
        ({"dilation_width": 5}, "kernel covers 11 pixels"),
        ({"input_pixel_bytes": 1}, "16 channels"),
        ({"input_pixel_bytes": HUGE}, "16 channels"),
        ({"output_pixel_bytes": 0}, "16 channels"),
        ({"channels_out": 17}, "17 channels"),
        ({"height": 65536, "width": 65536}, "padded image is larger"),
        ({"height": 8192, "width": 8192, "channels_out": 1024, "output_pixel_bytes": 128}, "output is larger"),
        (dict.fromkeys(("height", "width", "kernel_height", "kernel_width"), 16000), "a kernel of more than"),
        (
            dict.fromkeys(("height", "width", "kernel_height", "kernel_width"), 3000) | {"zero_padding": True},
            "too many for zero padding",
        ),
        ({"output": 3}, "output 3"),
        ({"channels_in": 15}, None),  # still two bytes
        ({"channels_in": 9}, None),
        ({"kernel_width": 1, "pad_left": 0, "pad_right": 0}, "the kernels have 288 bytes"),
    ],
)  # fmt: skip
def test_a_geometry_that_is_not_sound_is_refused(changes, words, library):
    geometry, why = Convolution(**{**SOUND, **changes}), ctypes.create_string_buffer(WHY)
    kernel, threshold = np.zeros(16 * 9 * 2, np.uint8), np.zeros(16, np.int32)
    plan = library.binary_prepare(byref(geometry), pointer(kernel), kernel.nbytes, None, None, pointer(threshold), why)
    assert (plan is None) == (words is not None)
    assert (words or "") in why.value.decode()
    library.binary_release(plan)


def test_kernels_of_another_size_are_refused(library):
    geometry, why = Convolution(**SOUND), ctypes.create_string_buffer(WHY)
    for size in (0, 287, 289, 2**64 - 1):
        kernel, threshold = np.zeros(288, np.uint8), np.zeros(16, np.int32)
        assert not library.binary_prepare(byref(geometry), pointer(kernel), size, None, None, pointer(threshold), why)
        assert b"it must be 288" in why.value


@pytest.mark.parametrize("form", FORMS.get(platform.machine(), ()))
@pytest.mark.parametrize("channels", [1, 3, 8, 9, 31, 32, 64, 70, 200])
def test_quantization_takes_what_is_below_zero(form, channels, library, use):
    use(form)
    rng = np.random.default_rng(channels)
    values = rng.standard_normal((301, channels)).astype(np.float32)
    special = np.array([0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1e-45, -1e-45], np.float32)
    odd = rng.random(values.shape) < 0.3
    values[odd] = rng.choice(special, int(odd.sum()))
    for word_bytes in (1, 4, 8):
        wanted = pack_signs(values, word_bytes=word_bytes)
        for function, given in (("binary_quantize_nhwc", values), ("binary_quantize_nchw", values.T.copy())):
            bits, around = guarded(wanted.shape, np.uint8)
            getattr(library, function)(pointer(given), pointer(bits), len(values), channels, wanted.shape[-1])
            np.testing.assert_array_equal(bits, wanted)
            assert all((each == 0xA5).all() for each in around)
        floats, around = guarded(values.shape, np.float32)
        library.binary_dequantize(pointer(wanted), pointer(floats), len(values), channels, wanted.shape[-1])
        np.testing.assert_array_equal(floats, unpack_signs(wanted, channels))
        assert all((each == 0xA5).all() for each in around)


@pytest.mark.parametrize("pixel_bytes", [1, 4, 7, 8, 19])
def test_max_pool_is_the_reference(pixel_bytes, library):
    rng = np.random.default_rng(pixel_bytes)
    for _ in range(100):
        height, rows, row_step, _, top, bottom = random_side(rng, 9)
        width, columns, column_step, _, left, right = random_side(rng, 9)
        top, bottom, left, right = (
            int(min(pad, filter_size - 1))
            for pad, filter_size in ((top, rows), (bottom, rows), (left, columns), (right, columns))
        )
        pool = Pool(height, width, pixel_bytes, rows, columns, row_step, column_step, top, left, bottom, right)
        why = ctypes.create_string_buffer(WHY)
        if rows > height + top + bottom or columns > width + left + right:
            assert not library.binary_pool_sound(byref(pool), why) and b"less than its filter" in why.value
            continue
        assert library.binary_pool_sound(byref(pool), why)
        images = rng.integers(0, 256, (2, height, width, pixel_bytes), np.uint8)
        window = Window((row_step, column_step), pads=(top, left, bottom, right))
        wanted = max_pool(images, (rows, columns), window)
        result, around = guarded(wanted.shape, np.uint8)
        library.binary_max_pool(byref(pool), pointer(images), pointer(result), 2)
        np.testing.assert_array_equal(result, wanted)
        assert all((each == 0xA5).all() for each in around)


@pytest.mark.parametrize(
    "changes",
    [
        *({name: value} for name in ("height", "filter_width", "stride_height") for value in (0, -1, HUGE)),
        *({name: value} for name in ("pad_top", "pad_right") for value in (-1, 2, HUGE)),
        *({"pixel_bytes": value} for value in (0, -1, HUGE)),
        {"height": 65536, "width": 65536},
    ],
)
def test_a_pool_that_is_not_sound_is_refused(changes, library):
    sound = {"height": 4, "width": 4, "pixel_bytes": 8, "filter_height": 2, "filter_width": 2}
    sound |= {"stride_height": 2, "stride_width": 2}
    why = ctypes.create_string_buffer(WHY)
    assert library.binary_pool_sound(byref(Pool(**sound)), why)
    assert not library.binary_pool_sound(byref(Pool(**(sound | changes))), why) and why.value


def test_the_environment_chooses_among_what_the_processor_has(library, monkeypatch):
    monkeypatch.delenv("EDGECOMPRESS_BINARY_KERNELS", raising=False)
    best = library.binary_kernels()
    assert best.decode() in FORMS[platform.machine()]
    monkeypatch.setenv("EDGECOMPRESS_BINARY_KERNELS", "no-such-form")
    assert library.binary_kernels() == best
    monkeypatch.setenv("EDGECOMPRESS_BINARY_KERNELS", "portable")
    assert library.binary_kernels() == b"portable"


def test_one_plan_runs_on_many_threads_at_once(library, three_threads):
    rng = np.random.default_rng(1)
    images, kernel = random_bits(rng, (3, 12, 11), 48, 1), random_bits(rng, (40, 3, 3), 48, 1)
    geometry = Convolution(12, 11, 48, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 6, 5, True, False, NCHW)
    ones, zeros, why = np.ones(40, np.float32), np.zeros(40, np.float32), ctypes.create_string_buffer(WHY)
    plan = library.binary_prepare(
        byref(geometry), pointer(kernel), kernel.nbytes, pointer(ones), pointer(zeros), None, why
    )
    wanted = expected_sums(geometry, images, kernel).transpose(0, 3, 1, 2)

    def run(pool):
        for _ in range(50):
            result = np.empty(wanted.shape, np.float32)
            library.binary_convolve(plan, pointer(images), pointer(result), 3, pool)
            if not np.array_equal(result, wanted):
                return False
        return True

    with ThreadPoolExecutor(4) as callers:
        assert all(callers.map(run, [None, three_threads, three_threads, None]))
    library.binary_release(plan)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_a_pool_of_threads_starts_and_stops(count, library):
    for _ in range(20):
        library.binary_threads_stop(library.binary_threads_start(count))
    library.binary_threads_stop(None)
