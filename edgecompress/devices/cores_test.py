import pytest

from edgecompress.devices.cores import KINDS, Cluster, clusters, core_mask, in_ranges, listed
from edgecompress.errors import DeviceError


def clock(max_mhz):
    return {"governor": "schedutil", "now_mhz": 300.0, "limit_mhz": max_mhz, "max_mhz": max_mhz}


PHONE = {
    "capacities": {
        **{f"cpu{core}": 250 for core in range(4)},
        **{f"cpu{core}": 870 for core in (4, 5, 6)},
        "cpu7": 1024,
    },
    "clocks": {"0 1 2 3": clock(1804.8), "4 5 6": clock(2419.2), "7": clock(2841.6)},
}
PI_4 = {"clocks": {"0 1 2 3": clock(1800.0)}}


def test_a_phone_with_three_kinds_of_cores():
    assert clusters(PHONE) == (
        Cluster((0, 1, 2, 3), 250, 1804.8),
        Cluster((4, 5, 6), 870, 2419.2),
        Cluster((7,), 1024, 2841.6),
    )
    assert core_mask("little", PHONE, device="adb:1") == 0x0F
    assert core_mask("big", PHONE, device="adb:1") == 0xF0


def told(*capacities):
    """Conditions of a device whose cores have these capacities."""
    return {"capacities": {f"cpu{core}": value for core, value in enumerate(capacities)}}


@pytest.mark.parametrize(
    ("capacities", "masks"),
    [
        ((250,) * 4 + (870,) * 3 + (1024,), {"little": 0x0F, "big": 0xF0, "mid": 0x70, "prime": 0x80}),
        # four clusters, of which the two in the middle are close to one another
        ((300, 300, 800, 800, 800, 750, 750, 1024), {"little": 0x03, "big": 0xFC, "mid": 0x7C, "prime": 0x80}),
        ((250,) * 6 + (1024,) * 2, {"little": 0x3F, "big": 0xC0, "mid": None, "prime": None}),
        ((250,) * 7 + (1024,), {"little": 0x7F, "big": 0x80, "mid": None, "prime": 0x80}),
        ((1024, 250), {"little": 0x2, "big": 0x1, "mid": None, "prime": 0x1}),
        ((400,) * 4 + (900,) * 4 + (1024,) * 4, {"little": 0x00F, "big": 0xFF0, "mid": 0x0F0, "prime": 0xF00}),
    ],
)
def test_kinds_of_cores(capacities, masks):
    for kind in KINDS:
        if masks[kind] is None:
            with pytest.raises(DeviceError, match=f"^adb:1 has no '{kind}' cores; it has little"):
                core_mask(kind, told(*capacities), device="adb:1")
        else:
            assert core_mask(kind, told(*capacities), device="adb:1") == masks[kind]


def test_what_there_is_instead_is_named():
    with pytest.raises(DeviceError) as raised:
        core_mask("mid", told(*(250,) * 6, 1024, 1024), device="adb:1")
    assert raised.value.message == "adb:1 has no 'mid' cores; it has little (0-5), big (6-7)."


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("capacities", [(1024,), (1024,) * 4])
def test_equal_cores_are_of_no_kind(kind, capacities):
    with pytest.raises(DeviceError, match="has cores of one kind only"):
        core_mask(kind, told(*capacities), device="ssh:pi")


def test_the_clock_decides_where_there_is_no_capacity():
    assert core_mask("big", {"clocks": PHONE["clocks"]}, device="adb:1") == 0xF0


def test_the_capacity_counts_for_more_than_the_clock():
    """A little core with the higher clock is still the slower one."""
    told = {"capacities": {"cpu0": 500, "cpu1": 1024}, "clocks": {"0": clock(2400.0), "1": clock(2000.0)}}
    assert core_mask("big", told, device="adb:1") == 0b10


def test_a_board_with_equal_cores_has_no_big_ones():
    with pytest.raises(DeviceError, match="ssh:pi has cores of one kind only"):
        core_mask("big", PI_4, device="ssh:pi")
    assert core_mask("all", PI_4, device="ssh:pi") == 0


def test_a_device_that_tells_nothing():
    with pytest.raises(DeviceError, match="does not tell which"):
        core_mask("little", {}, device="ssh:pi")


@pytest.mark.parametrize(("text", "mask"), [("f0", 0xF0), ("0x3", 3), ("1", 1)])
def test_masks(text, mask):
    assert core_mask(text, {}, device="local") == mask


@pytest.mark.parametrize("text", ["0", "", "xyz", "-1", "f" * 17])
def test_no_masks(text):
    with pytest.raises(DeviceError, match="names no cores"):
        core_mask(text, {}, device="local")


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("0-3", {0, 1, 2, 3}),
        ("0 1 2 3", {0, 1, 2, 3}),
        ("7", {7}),
        ("0-1,4,6-7", {0, 1, 4, 6, 7}),
        ("60-99999999999", {60, 61, 62, 63}),  # no more than a mask holds
        *((text, set()) for text in ("", "-", "3-1", "x", "policy0", "0-x", "1-2-3", "-1")),
    ],
)
def test_lists_of_cores(text, cores):
    assert listed(text) == cores
    assert listed(in_ranges(cores)) == cores


def test_cores_in_ranges():
    assert in_ranges([7, 0, 1, 2, 5]) == "0-2,5,7" and in_ranges([]) == ""
