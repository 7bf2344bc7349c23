"""Where there are no governors, as in most virtual machines, and in a folder that looks like a kernel's."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from edgecompress.devices.holding.governor import governor
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


class Nobody(LocalTransport):
    """This machine for a user without rights, where there is one."""

    def converse(self, words, *, timeout_s):
        if os.getuid() == 0:
            words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *words]
        return super().converse(words, timeout_s=timeout_s)


# Asks for a password if it is not told not to, and may write what nobody may.
SUDO = """#!/bin/sh
[ "$1" = -n ] && [ "$2" = tee ] || exit 1
printf '%s\\n' "$*" >> '{calls}'
chmod u+w "$3"; tee "$3"; chmod u-w "$3"
"""


@pytest.fixture
def policies():
    """Two clusters that only root may set; in a folder that a user without rights can come to."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("policy0", "policy4"):
            (Path(folder) / name).mkdir()
            (Path(folder) / name / "scaling_governor").write_text("ondemand\n")
            (Path(folder) / name / "scaling_governor").chmod(0o444)
        (Path(folder) / "bin").mkdir()
        if os.getuid() == 0:
            for path in (Path(folder), *Path(folder).rglob("*")):
                os.chown(path, 65534, 65534)
        yield Path(folder)


def state(folder):
    return [(folder / name / "scaling_governor").read_text() for name in ("policy0", "policy4")]


@pytest.mark.skipif(shutil.which("setpriv") is None and os.getuid() == 0, reason="root may write everything")
@pytest.mark.parametrize("has_sudo", [True, False])
def test_sudo_without_a_password_sets_and_restores_what_the_user_may_not(has_sudo, policies, monkeypatch):
    monkeypatch.setenv("PATH", str(policies / "bin"), prepend=":")
    refusal = "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n"
    (policies / "bin/sudo").write_text(SUDO.format(calls=policies / "calls") if has_sudo else refusal)
    (policies / "bin/sudo").chmod(0o755)
    if has_sudo:
        with governor(Nobody(), "performance", folder=str(policies)) as said:
            assert said == "performance" and state(policies) == ["performance\n"] * 2
        assert f"-n tee {policies}/policy4/scaling_governor\n" in (policies / "calls").read_text()
    else:
        with (
            pytest.raises(DeviceError, match="not permitted") as raised,
            governor(Nobody(), "performance", folder=str(policies)),
        ):
            pytest.fail("the block must not be entered")
        assert "sudo -n" in raised.value.hint
    assert state(policies) == ["ondemand\n"] * 2


def test_who_may_write_needs_no_sudo(policies, monkeypatch):
    monkeypatch.setenv("PATH", str(policies / "bin"), prepend=":")
    (policies / "bin/sudo").write_text(SUDO.format(calls=policies / "calls"))
    (policies / "bin/sudo").chmod(0o755)
    for path in policies.glob("policy*/scaling_governor"):
        path.chmod(0o666)
    with governor(LocalTransport(), "powersave", folder=str(policies)):
        assert state(policies) == ["powersave\n"] * 2
    assert state(policies) == ["ondemand\n"] * 2 and not (policies / "calls").exists()
