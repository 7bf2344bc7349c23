import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.devices.conditions import parse_snapshot
from edgecompress.profiling.conditions.line import conditions_line
from edgecompress.profiling.conditions.standing import standing, why_unfit


def clock(now_mhz, limit_mhz, max_mhz, governor="ondemand"):
    return {"governor": governor, "now_mhz": now_mhz, "limit_mhz": limit_mhz, "max_mhz": max_mhz}


PI = {
    "cores": "0-3",
    "allowed_cores": "0-3",
    "load_average": [0.1, 0.2, 0.3],
    "clocks": {"0 1 2 3": clock(600.0, 1800.0, 1800.0)},
    "temperatures": {"cpu": 48.2},
    "throttled": "0",
}
PHONE = {
    "cores": "0-7",
    "load_average": [1.2, 0.2, 0.3],
    "clocks": {
        "0 1 2 3": clock(300.0, 1804.8, 1804.8, "schedutil"),
        "4 5 6": clock(710.0, 2419.2, 2419.2, "schedutil"),
        "7": clock(844.0, 1800.0, 2841.6, "schedutil"),
    },
    "temperatures": {"cpu": 41.2, "skin": 33.0},
    "thermal_status": 0,
    "awake": True,
    "battery_saver": False,
    "battery": {"percent": 83.0, "status": "Discharging"},
}
FAST = [(0, 1_800_000)] * 5


def remarks(look, *, threads=1, cores=0xF, readings=FAST, first=None):
    return standing([look], first=first or look, threads=threads, cores=cores, readings=readings)["remarks"]


def test_a_cool_idle_board_at_its_full_clock_has_no_remark():
    assert remarks(PI) == [] and remarks(PI, threads=4) == [] and remarks({}, cores=0, readings=[]) == []
    assert why_unfit([PI, PI]) == "" == why_unfit([PHONE])


@pytest.mark.parametrize(
    ("changes", "options", "remark"),
    [
        ({"clocks": {"0 1 2 3": clock(600.0, 600.0, 1800.0)}}, {"readings": [(0, 600_000)]},
         "cores 0-3 were limited to 600 of 1800 MHz"),
        ({"clocks": {"0 1 2 3": clock(600.0, 1781.0, 1800.0)}}, {},
         "cores 0-3 were limited to 1781 of 1800 MHz"),
        ({"clocks": {"policy0": clock(600.0, 600.0, 1800.0)}}, {},
         "policy0 were limited to 600 of 1800 MHz"),
        # a cap of the firmware, which the limit hides
        ({}, {"readings": [(1, 600_000)] * 3 + [(2, 600_000)]}, "cores 0-3 ran at 600 of 1800 MHz"),
        ({}, {"readings": [(1, 1_349_000)]}, "cores 0-3 ran at 1349 of 1800 MHz"),
        ({"load_average": [2.1, 0, 0]}, {}, "other work had loaded 2.1 of 4 cores before the measurement"),
        ({}, {"threads": 4, "cores": 0b11}, "4 threads shared 2 cores"),
        ({}, {"threads": 2, "cores": 0b1}, "2 threads shared 1 core"),
        ({"allowed_cores": "0,2"}, {"threads": 3, "cores": 0}, "3 threads shared 2 cores"),
    ],
)  # fmt: skip
def test_what_is_unusual_is_a_remark(changes, options, remark):
    assert remarks({**PI, **changes}, **options) == [remark]


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"clocks": {"0 1 2 3": clock(600.0, 1785.0, 1800.0)}}, {}),  # 0.8 %, rounding
        ({}, {"readings": [(1, 1_351_000)]}),
        ({}, {"readings": [(1, 0)] * 3}),  # the device does not tell
        ({}, {"readings": [(1, 600_000)] + [(1, 1_800_000)] * 2}),  # a moment
        ({"clocks": {"0 1 2 3": clock(600.0, 1800.0, 1800.0, governor=None)}}, {"readings": [(1, 600_000)]}),
        ({"clocks": {"0 1 2 3": clock(600.0, None, None)}}, {"readings": [(1, 600_000)]}),  # unreadable
        ({"load_average": [2.0, 9, 9]}, {}),
        ({"load_average": [], "cores": ""}, {}),
        ({"load_average": [9.0], "cores": "nonsense"}, {}),
    ],
)
def test_what_is_usual_or_not_told_is_none(changes, options):
    assert remarks({**PI, **changes}, **options) == []


def test_a_limit_that_came_in_a_round_that_was_repeated_counts_as_well():
    later = {**PI, "clocks": {"0 1 2 3": clock(600.0, 1000.0, 1800.0)}}
    for looks in ([PI, PI, later], [later, PI]):
        found = standing(looks, first=PI, threads=1, cores=0xF, readings=[(0, 1_000_000)])["remarks"]
        assert found == ["cores 0-3 were limited to 1000 of 1800 MHz"]


def test_only_clusters_that_the_model_might_run_on_count():
    assert remarks(PHONE, cores=0x7F, readings=[]) == []
    assert remarks(PHONE, cores=0x80, readings=[]) == ["cores 7 were limited to 1800 of 2842 MHz"]
    assert remarks(PHONE, cores=0, readings=[]) == ["cores 7 were limited to 1800 of 2842 MHz"]


def test_the_load_is_that_from_before_the_first_measurement():
    assert remarks({**PI, "load_average": [4.0]}, first=PI) == []
    assert remarks(PI, first={**PI, "load_average": [4.0]}) != []


@pytest.mark.parametrize("changes", [{"awake": False}, {"battery_saver": True}])
def test_a_phone_that_sleeps_or_saves_at_any_time_measures_nothing(changes):
    for looks in ([{**PHONE, **changes}], [PHONE, {**PHONE, **changes}, PHONE]):
        assert why_unfit(looks)


@pytest.mark.parametrize(
    ("looks", "options", "line"),
    [
        ([PI, {**PI, "temperatures": {"cpu": 51.4}}], {},
         "governor ondemand, 1800 of 1800 MHz, 48 to 51 °C, not throttled, load 0.1 of 4"),
        ([{**PI, "clocks": {"0 1 2 3": clock(600.0, 600.0, 1800.0)}, "throttled": "50005"}], {"readings": []},
         "governor ondemand, 600 (idle) of 600 MHz (limited from 1800), 48 °C, throttled (0x5), load 0.1 of 4"),
        ([{**PI, "throttled": "50000"}], {},
         "governor ondemand, 1800 of 1800 MHz, 48 °C, not throttled, but was since it was started, load 0.1 of 4"),
        ([PHONE, {**PHONE, "thermal_status": 2}], {"cores": 0xF0, "readings": [(4, 2_419_000), (7, 0)]},
         "governor schedutil, cores 4-6: 2419 of 2419 MHz, cores 7: 844 (idle) of 1800 MHz (limited from 2842), 41 °C, "
         "thermal status 2, load 1.2 of 8, battery 83 %, discharging"),
        ([{**PHONE, "awake": False, "battery_saver": True}], {"cores": 0xF},
         "governor schedutil, 1800 of 1805 MHz, 41 °C, thermal status 0, load 1.2 of 8, battery 83 %, discharging, "
         "screen off, battery saver on"),
        ([{"throttle_counts": {"cpu0": 1}}, {"throttle_counts": {"cpu0": 1}}], {},
         "not throttled; not told: governor and clock, temperature, load"),
        ([{}], {"readings": []}, "not told: governor and clock, temperature, throttling, load"),
    ],
)  # fmt: skip
def test_the_line(looks, options, line):
    assert conditions_line(looks, **{"cores": 0xF, "readings": FAST, **options}) == line


PATHS = st.sampled_from(
    [
        *(f"sys/devices/system/cpu/cpufreq/policy0/{name}" for name in ("related_cpus", "scaling_governor",
          "scaling_cur_freq", "scaling_max_freq", "cpuinfo_max_freq")),
        *("sys/devices/system/cpu/online", "proc/loadavg", "sys/class/thermal/thermal_zone0/temp", "thermal"),
        *("sys/class/power_supply/battery/capacity", "sys/class/power_supply/battery/status", "vcgencmd"),
    ]
)  # fmt: skip
TEXTS = (
    st.text(max_size=20) | st.integers().map(str) | st.lists(st.integers(0, 80)).map(lambda c: " ".join(map(str, c)))
)


@given(st.lists(st.tuples(PATHS, TEXTS)), st.lists(st.tuples(st.integers(0, 4096), st.integers(0, 10**8))))
def test_whatever_a_device_says_becomes_one_printable_line(said, readings):
    look = parse_snapshot("\n".join(f"{path}:{text}" for path, text in said))
    found = standing([look], first=look, threads=2, cores=3, readings=readings)
    assert all(text.isprintable() for text in (found["line"], *found["remarks"]))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
