"""Where there are no governors, as in most virtual machines; to set a real one takes a device that has some."""

from pathlib import Path

import pytest

from edgecompress.devices.governor import governor
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.errors import DeviceError

HAS_GOVERNORS = any(Path("/sys/devices/system/cpu/cpufreq").glob("policy*/scaling_governor"))


@pytest.mark.skipif(HAS_GOVERNORS, reason="this machine has governors, which are not a unit test's to change")
@pytest.mark.parametrize("name", ["performance", "powersave", "it's; exit 1", "$(exit 1)", ""])
def test_a_machine_without_governors_says_so(name):
    with (
        pytest.raises(DeviceError, match="cannot be set on local: it has no governors") as raised,
        governor(LocalTransport(), name),
    ):
        pytest.fail("the block must not be entered")
    assert raised.value.message == f"The governor '{name}' cannot be set on local: it has no governors."
    assert "root" in raised.value.hint


class Says(LocalTransport):
    """A device that answers with this, whatever it is asked, and then waits for the end of its input."""

    def __init__(self, script):
        super().__init__()
        self.script = script

    def converse(self, words, *, timeout_s):
        return super().converse(["sh", "-c", self.script], timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'none: not permitted'; cat", "not permitted"),
        ("echo nonsense; cat", "no answer"),
        ("echo; cat", "no answer"),
        ("exit 0", "no answer"),
    ],
)
def test_a_device_that_does_not_say_that_it_is_set(script, reason):
    with pytest.raises(DeviceError, match=f"cannot be set on local: {reason}"), governor(Says(script), "performance"):
        pytest.fail("the block must not be entered")


def test_it_is_given_back_at_the_end_and_after_an_error(tmp_path):
    """The device sees its input close, whatever the block does."""
    for index in range(2):
        back = tmp_path / f"back{index}"
        device = Says(f"echo 'set: performance '; cat; echo back > '{back}'")
        with pytest.raises(ZeroDivisionError) if index else governor(device, "performance") as said:
            if index:
                with governor(device, "performance"):
                    _ = 1 / 0
            else:
                assert said == "performance" and not back.exists()
        assert back.read_text() == "back\n"
