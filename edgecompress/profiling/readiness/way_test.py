import pytest

from edgecompress.devices.ways import ssh_refusals
from edgecompress.devices.ways.adb_refusals import STATES, known
from edgecompress.errors import DeviceError
from edgecompress.profiling.readiness.way import pushed, refused
from edgecompress.testing.devices import FolderTransport


def steps(message, kind="ssh"):
    return [(step.name, step.state) for step in refused(DeviceError(message, hint="Try."), kind)]


@pytest.mark.parametrize("meaning", [meaning for _, meaning, _ in ssh_refusals._TABLE])
def test_what_ssh_says_is_sorted_to_a_step(meaning):
    """Whatever is added to its words belongs to one; those that nobody sorted would say nothing of the steps before."""
    found = steps(f"ssh:pi {meaning.format('x', 'x', port=22, where='pi')}.")
    assert found[-1][1] == "no" and all(state == "ok" for _, state in found[:-1])
    assert [name for name, _ in found] == ["name", "port", "host key", "login"][: len(found)]
    assert found != [("login", "no")]


@pytest.mark.parametrize(
    ("message", "passed", "failed"),
    [
        ("ssh:pi cannot be found by its name.", [], "name"),
        ("ssh does not take its configuration for ssh:pi: x.", [], "name"),
        ("ssh:pi refuses connections at port 22.", ["name"], "port"),
        ("ssh:gate, the jump host of ssh:pi, does not answer at port 22.", ["name"], "port"),
        ("ssh:gate, the jump host of ssh:pi, does not reach 10.0.0.2 port 22: refused.", ["name"], "port"),
        ("ssh:pi has another host key than before: its system is new.", ["name", "port"], "host key"),
        ("ssh:pi does not let us in as pi: you have no key.", ["name", "port", "host key"], "login"),
        ("ssh:pi runs no shell for us, and says nothing.", ["name", "port", "host key", "login"], "shell"),
        ("The login of ssh:pi waits for something: it says nothing.", ["name", "port", "host key", "login"], "shell"),
        ("ssh does not reach ssh:pi: words that nobody knows.", [], "login"),
    ],
)
def test_a_refusal_tells_what_was_passed(message, passed, failed):
    assert steps(message) == [*((name, "ok") for name in passed), (failed, "no")]


@pytest.mark.parametrize("state", STATES)
def test_a_phone_that_does_not_let_us_in(state):
    error = known("adb:X", f"error: device {state}")
    assert error and [step.name for step in refused(error, "adb")] == ["adb"]


def test_a_phone_that_runs_no_shell():
    assert steps("adb:X runs no shell for us, and says nothing.", "adb") == [("adb", "ok"), ("shell", "no")]


def test_a_copy_that_comes_back_changed(tmp_path, monkeypatch):
    with FolderTransport(tmp_path / "home") as board:
        assert pushed(board).state == "ok"
        pull = board.pull

        def flip(source, target):
            pull(source, target)
            target.write_bytes(bytes(target.stat().st_size))

        monkeypatch.setattr(board, "pull", flip)
        with pytest.raises(DeviceError, match="came back changed"):
            pushed(board)
        assert not list(board.home.rglob("check-*"))
