import numpy as np

from edgecompress.profiling.warmup import FLAT_WINDOWS, MAX_S, MIN_S, WINDOW_S, is_flat, warm_up


def clock(levels_ns):
    """A model whose windows have these levels, the last for ever; each window is as long as it is asked to be."""
    levels = iter(levels_ns)
    last = None

    def time_block(*, runs, seconds):
        nonlocal last
        last = next(levels, last)
        return np.full(max(runs, int(seconds * 1e9 / last) + 1), last, np.int64)

    return time_block


def test_a_flat_model_takes_the_least_time():
    result = warm_up(clock([1_000_000]))
    assert result.flat and MIN_S <= result.seconds < MIN_S + 2 * WINDOW_S


def test_it_goes_on_while_times_fall():
    falling = [int(10_000_000 * 0.8**n) for n in range(10)]
    result = warm_up(clock(falling))
    assert result.flat and result.seconds > len(falling) * WINDOW_S


def test_it_gives_up_at_the_cap():
    restless = [1_000_000, 2_000_000] * 100
    result = warm_up(clock(restless))
    assert not result.flat and MAX_S <= result.seconds < MAX_S + 2 * WINDOW_S


def test_flat_by_hand():
    assert is_flat([9.0, 1.0, 1.02, 1.05]) and not is_flat([1.0, 1.0, 1.06]) and not is_flat([1.0] * (FLAT_WINDOWS - 1))
