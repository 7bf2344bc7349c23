import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.profiling.conditions.cool_down import BLIND_S, LOOK_EVERY_S, MARGIN_C, cool_down


class Device:
    """Cools by some degrees a second, in a time of its own."""

    def __init__(self, degrees, *, per_second=0.5, floor=40.0):
        self.degrees, self.per_second, self.floor = degrees, per_second, floor
        self.slept_s = 0.0
        self.looks = 0

    def look(self):
        self.looks += 1
        return {"temperatures": {"cpu": self.degrees, "battery": 30.0}}

    def sleep(self, seconds):
        self.slept_s += seconds
        self.degrees = max(self.floor, self.degrees - self.per_second * seconds)

    def wait(self, before, longest_s):
        waited_s = cool_down(self.look, before, longest_s=longest_s, sleep=self.sleep)
        assert waited_s == self.slept_s
        return waited_s


BEFORE = {"temperatures": {"cpu": 45.0, "battery": 31.0}}


def test_a_cool_device_is_not_waited_for():
    assert Device(45.0 + MARGIN_C).wait(BEFORE, 120) == 0
    assert Device(30.0).wait(BEFORE, 120) == 0


def test_a_hot_one_is_waited_for_until_it_is_within_the_margin():
    """60 C at 0.5 C a second: 57.5, 55, 52.5, 50, 47.5, which is below 48."""
    device = Device(60.0)
    assert device.wait(BEFORE, 120) == 5 * LOOK_EVERY_S and device.degrees == 47.5
    assert device.looks == 6


@pytest.mark.parametrize(("longest_s", "waited_s"), [(0, 0), (LOOK_EVERY_S, LOOK_EVERY_S), (60, 60)])
def test_no_longer_than_allowed(longest_s, waited_s):
    assert Device(90.0, floor=70.0).wait(BEFORE, longest_s) == waited_s


@pytest.mark.parametrize("longest_s", [0.0, 7.0, BLIND_S, 120.0])
def test_without_a_temperature_it_waits_for_a_while(longest_s):
    for before in ({}, {"temperatures": {}}):
        assert Device(90.0).wait(before, longest_s) == min(longest_s, BLIND_S)


def test_a_sensor_that_falls_silent_ends_the_wait():
    slept = []
    assert cool_down(lambda: {}, BEFORE, longest_s=120, sleep=slept.append) == 0 and not slept


@pytest.mark.parametrize("hot", [{"thermal_status": 3}, {"throttled": "4"}, {"throttled": "80008"}])
@pytest.mark.parametrize(("before", "blind_s"), [(BEFORE, 0.0), ({}, BLIND_S)])
def test_a_throttled_device_is_waited_for_however_hot_it_was_before(hot, before, blind_s):
    looks = [hot, hot, {"thermal_status": 2, "throttled": "80000"}]
    slept = []
    cool_down(lambda: looks.pop(0), {**before, **hot}, longest_s=120, sleep=slept.append)
    assert sum(slept) == blind_s + 2 * LOOK_EVERY_S and not looks


@given(st.floats(-20, 120), st.floats(-20, 120), st.floats(0, 5), st.floats(0, 300))
def test_it_is_cool_or_the_time_is_up(start, goal, per_second, longest_s):
    device = Device(start, per_second=per_second, floor=-20.0)
    waited_s = device.wait({"temperatures": {"cpu": goal, "x": -30.0}}, longest_s)
    assert max(device.degrees, 30.0) <= goal + MARGIN_C or waited_s >= longest_s
    assert waited_s <= longest_s + LOOK_EVERY_S
