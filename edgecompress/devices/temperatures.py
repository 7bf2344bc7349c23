"""Temperatures as kernels tell them: in thousandths, tenths or whole degrees, and nonsense where a sensor is off."""

from __future__ import annotations

from edgecompress.devices.answers import number

COLDEST_C, HOTTEST_C = -40.0, 150.0  # of a chip that works
_FROM_THOUSANDTHS = 1000  # below 1 °C a chip does not work long
_FROM_TENTHS = HOTTEST_C  # in degrees it would be broken; some phones' batteries and regulators tell 281


def degrees(text: str) -> float | None:
    """Return what a sensor says, in degrees Celsius; None where it says nothing that a chip can have.

    The kernel's unit is a thousandth of a degree, which not every driver knows. 0 is what a sensor says that is off.
    """
    value = number(text)
    if not value:
        return None
    if abs(value) >= _FROM_THOUSANDTHS:
        value /= 1000
    elif abs(value) > _FROM_TENTHS:
        value /= 10
    return value if COLDEST_C <= value <= HOTTEST_C else None
