import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.devices.temperatures import COLDEST_C, HOTTEST_C, degrees


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("48212", 48.212),  # the kernel's unit
        ("48", 48.0),
        ("48.5", 48.5),
        ("281", 28.1),  # tenths, as of a phone's battery
        ("-5000", -5.0),
        ("-12", -12.0),
        ("150", 150.0),
        ("150000", 150.0),
        ("151", 15.1),
        ("1000", 1.0),
        # sensors that are off, broken or not there
        *((text, None) for text in ("0", "0.0", "-274000", "-273000", "2147483647", "-2147483648", "150001", "-41000")),
        *((text, None) for text in ("", "N/A", "nan", "inf", "48 C", "9" * 400, "\x1b[2J")),
    ],
)
def test_units_and_nonsense(text, found):
    assert degrees(text) == found


@given(st.text() | st.integers().map(str) | st.floats().map(str))
def test_whatever_is_said_is_a_chips_temperature_or_nothing(text):
    assert (found := degrees(text)) is None or COLDEST_C <= found <= HOTTEST_C


@given(st.floats(1, HOTTEST_C))
def test_thousandths_and_degrees_are_the_same(value):
    assert degrees(str(round(1000 * value))) == pytest.approx(value, abs=0.001)
    assert degrees(str(value)) == value
