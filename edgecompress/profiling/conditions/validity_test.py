import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.profiling.conditions.validity import SEVERE, clock_fell, hottest, why_invalid


def clock(limit_mhz, now_mhz=600.0):
    return {"0 1 2 3": {"governor": "ondemand", "now_mhz": now_mhz, "limit_mhz": limit_mhz, "max_mhz": 1500.0}}


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        # bits 0-3: what holds now
        ("0", "1", "the supply's voltage is too low"),
        ("0", "2", "the clock is capped"),
        ("0", "4", "it is throttled"),
        ("0", "8", "it is at its soft heat limit"),
        ("50005", "50005", "the supply's voltage is too low"),  # of several, the first; and it did so before
        ("0", "6", "the clock is capped"),
        # bits 16-19: what has held since the start, of which only what is new was in this round
        ("0", "10000", "the supply's voltage is too low"),
        ("0", "20000", "the clock is capped"),
        ("0", "40000", "it is throttled"),
        ("0", "80000", "it is at its soft heat limit"),
        ("50000", "d0000", "it is at its soft heat limit"),
        ("50000", "50000", ""),
        ("f0000", "f0000", ""),
        ("0", "0", ""),
        ("0", "fff0", ""),  # bits without a meaning
        ("0", "no number", ""),
        ("no number", "40000", "it is throttled"),
    ],
)
def test_the_raspberry_pis_word(before, now, reason):
    found = why_invalid({"throttled": before}, [{"throttled": now}], [])
    assert found == (f"the firmware says that {reason}" if reason else "")


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        (1500.0, 1000.0, "the limit of the clock of cores 0 1 2 3 fell from 1500 to 1000 MHz"),
        (1500.0, 1484.0, "the limit of the clock of cores 0 1 2 3 fell from 1500 to 1484 MHz"),  # 1.07 %
        (1500.0, 1486.0, ""),  # 0.93 %, rounding
        (1000.0, 1500.0, ""),
        (None, 1000.0, ""),
        (1500.0, None, ""),
    ],
)
def test_the_clocks_limit(before, now, reason):
    assert why_invalid({"clocks": clock(before)}, [{"clocks": clock(now)}], []) == reason


def test_the_clock_itself_may_be_anything_in_a_snapshot():
    """Between blocks the device idles, and its governor lowers the clock."""
    assert not why_invalid({"clocks": clock(1500.0, 1500.0)}, [{"clocks": clock(1500.0, 300.0)}], [])


def test_intels_counters():
    before = {"throttle_counts": {"cpu0": 7, "cpu1": 7}}
    assert not why_invalid(before, [{"throttle_counts": {"cpu0": 7, "cpu1": 7}}], [])
    assert not why_invalid(before, [{"throttle_counts": {"cpu2": 9}}], [])  # it was not there before
    found = why_invalid(before, [{"throttle_counts": {"cpu0": 7, "cpu1": 8}}], [])
    assert found == "cpu1 was slowed down for its heat"


@pytest.mark.parametrize(("before", "now", "bad"), [(0, 1, True), (1, 2, True), (2, 2, False), (2, 1, False)])
def test_androids_status(before, now, bad):
    found = why_invalid({"thermal_status": before}, [{"thermal_status": now}], [])
    assert found == (f"Android's thermal status rose to {now}" if bad else "")


@pytest.mark.parametrize("status", [3, 4, 5, 6])
@pytest.mark.parametrize(("before", "later"), [(True, [False]), (False, [True, False]), (True, [])])
def test_a_hot_android_is_invalid_from_the_start(status, before, later):
    found = why_invalid(
        *[{"thermal_status": status if before else 0}], [{"thermal_status": status * hot} for hot in later], []
    )
    assert found == f"Android's thermal status is {status}"


@pytest.mark.parametrize(("word", "hot"), [("1", True), ("50008", True), ("50000", False), ("0", False), ("", False)])
def test_a_throttled_pi_is_invalid_from_the_start(word, hot):
    assert bool(why_invalid({"throttled": word}, [], [])) == hot


def test_one_bad_look_of_many_is_enough():
    cool, hot = {"thermal_status": 0}, {"thermal_status": 2}
    assert why_invalid(cool, [cool, hot, cool], []) == "Android's thermal status rose to 2"
    assert not why_invalid(cool, [], [])


@pytest.mark.parametrize(
    ("clocks_mhz", "reason"),
    [
        ([], ""),
        ([1500], ""),
        ([600, 1500, 1500], ""),  # it rises from idle
        ([1500, 1500, 1000, 1000, 1000], "from 1500 to 1000"),
        ([1500, 1500, 1000, 1500, 1500], ""),  # it recovered
        ([1500, 1500, 1500, 1500, 1000], ""),  # one reading may be a moment
        ([1500, 1500, 1000, 1500, 1000], "from 1500 to 1000"),
        ([1500, 1426, 1426, 1426], ""),  # 4.9 %
        ([1500, 1424, 1424, 1424], "from 1500 to 1424"),  # 5.1 %
        ([1500, 1400, 1300, 1200], "from 1500 to 1300"),  # the median of the last three
        ([0, 0, 0], ""),  # the device does not tell
        ([1500, 0, 0, 0, 1500], ""),
    ],
)
def test_the_clock_under_load(clocks_mhz, reason):
    readings = [(2, 1000 * mhz) for mhz in clocks_mhz]
    expected = f"the clock of core 2 fell {reason} MHz" if reason else ""
    assert clock_fell(readings) == why_invalid({}, [{}], readings) == expected


def test_each_core_has_a_clock_of_its_own():
    """A thread that moves from a fast core to a slow one has not been slowed down by heat."""
    assert not clock_fell([(7, 2800000)] * 3 + [(0, 1800000)] * 3)
    readings = [(0, 1800000), (7, 2800000)] * 3 + [(0, 1800000), (7, 2000000)] * 3
    assert clock_fell(readings) == "the clock of core 7 fell from 2800 to 2000 MHz"


def test_the_hottest_sensor():
    assert hottest({"temperatures": {"a": 40.0, "b": 55.5}}) == 55.5
    assert hottest({"temperatures": {}}) is None and hottest({}) is None


WORDS = st.integers(0, 0xF).map(lambda past: f"{past << 16:x}") | st.text(
    [letter for letter in string.printable if letter not in string.hexdigits]
)
MHZ = st.none() | st.floats(0, 1e5)
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "throttled": WORDS,  # past troubles only: present ones are bad however long they last
        "clocks": st.dictionaries(st.text(), st.fixed_dictionaries({"limit_mhz": MHZ, "now_mhz": MHZ})),
        "throttle_counts": st.dictionaries(st.text(), st.integers(0, 1 << 60)),
        "thermal_status": st.integers(0, SEVERE - 1),
        "temperatures": st.dictionaries(st.text(), st.floats(-50, 200)),
    },
)


@given(CONDITIONS, st.integers(0, 4), st.integers(0, 63), st.integers(0, 10**7), st.integers(0, 20))
def test_constant_conditions_are_never_invalid(conditions, looks, core, khz, readings):
    assert why_invalid(conditions, [conditions] * looks, [(core, khz)] * readings) == ""


@given(CONDITIONS, CONDITIONS)
def test_what_a_device_no_longer_tells_is_no_reason(before, now):
    assert why_invalid(before, [{}], []) == ""
    later = {key: value for key, value in now.items() if key not in before and key in ("clocks", "throttle_counts")}
    assert why_invalid(before, [later], []) == ""


@given(st.lists(st.integers(1000, 3000), min_size=1, max_size=20))
def test_a_clock_that_rises_and_stays_never_fell(clocks):
    assert clock_fell([(0, khz) for khz in [*sorted(clocks), max(clocks)]]) == ""


@pytest.mark.parametrize("mhz", [[600, 600, 1500], [1000, 1000, 1053], [600, 1500], [600, 600, 600, 1500, 1500]])
def test_a_clock_that_rises_has_not_fallen(mhz):
    assert clock_fell([(0, 1000 * each) for each in mhz]) == ""
