"""The protocol with every shell that is here, as a login shell and as the `sh` behind it, and with what logins say."""

import shutil

import pytest

from edgecompress.devices.store import place
from edgecompress.devices.wire import unanswered
from edgecompress.errors import DeviceError
from edgecompress.testing.devices import FolderTransport

CONTENT = b"".join(bytes([n % 251, 10, 0, 255]) for n in range(200_000))
SHELLS = {
    "dash": ["dash"],
    "bash": ["bash"],
    "busybox": ["busybox", "sh"],
    "mksh": ["mksh"],
    "zsh": ["zsh", "--emulate", "sh"],
    "toybox": ["toybox", "sh"],
}
LOGINS = ("dash", "bash", "mksh", "zsh", "fish", "tcsh", "bsd-csh")
needs = {name: pytest.mark.skipif(shutil.which(name) is None, reason=f"no {name}") for name in (*SHELLS, *LOGINS)}


class Login(FolderTransport):
    """A board whose account has a shell of its own, and files that it reads at login."""

    def __init__(self, home, shell, **files):
        super().__init__(home, shell=[*shell, "-c", "exec sh"])
        for name, text in files.items():
            (home / f".{name}").write_text(text)


def works(device, tmp_path):
    """Whether statuses, outputs, awkward words, conversations and files are right."""
    finished = device.shell("echo out; echo err >&2; exit 7")
    assert (finished.status, finished.stdout, finished.stderr) == (7, "out\n", "err\n")
    words = ["it's", "$(exit 1)", "a\nb!", "`x`", "\\", "", "-n", "%s", "ü"]
    assert device.run(["printf", "%s|", *words], timeout_s=10).stdout == "".join(f"{word}|" for word in words)
    talk = device.converse(["cat"], timeout_s=30)
    for line in ("one", "", "x" * 70_000):
        talk.send(line)
        assert talk.receive(timeout_s=10) == line
    talk.close_input()
    assert talk.receive(timeout_s=10) is None and talk.status == 0
    talk.finish()
    (tmp_path / "source").write_bytes(CONTENT)
    where = place(device, {"file": tmp_path / "source"})["file"]
    device.pull(where, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == CONTENT
    return True


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs[name]) for name in SHELLS if name != "toybox"])
def test_every_sh(name, tmp_path):
    with FolderTransport(tmp_path / "home", shell=SHELLS[name]) as device:
        assert works(device, tmp_path)


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs[name]) for name in LOGINS])
def test_every_login_shell(name, tmp_path):
    with Login(tmp_path / "home", [name]) as device:
        assert works(device, tmp_path)


NOISE = {
    "echo": "echo 'Welcome!'; echo warning >&2",
    "unfinished": "printf 'no end of line'; printf here >&2",
    "folder": "cd /; alias printf=false; trap 'echo bye' EXIT",
    "reads a line": "read -r line",
    "reads two lines": "read -r line; read -r line",
    "no terminal": "stty -echo; mesg n; tput bold",
    "binary": "head -c 3000 /dev/urandom; head -c 3000 /dev/urandom >&2",
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_what_a_login_says_is_no_answer(noise, tmp_path):
    """As bash does over ssh, a script is read before the command."""
    (tmp_path / "profile").write_text(noise)
    with FolderTransport(tmp_path / "home", shell=["bash", "-c", f". {tmp_path}/profile; exec sh"]) as device:
        assert works(device, tmp_path)


REFUSED = {
    "nologin": ("echo This account is currently not available.; exit 1", "not available'", "chsh -s /bin/sh"),
    "forced": ("echo 'Backups only!'", "says 'Backups only!'", "ForceCommand"),
    "sftp": ("echo This service allows sftp connections only. >&2; exit 1", "sftp connections only", "internal-sftp"),
    "false": ("exit 1", "says nothing", "/bin/false"),
    "exits": ("exit 0", "says nothing", ".bashrc"),
    "escapes": ("printf '\\033[31mred\\a\\n'", "says '[31mred'", "ForceCommand"),
}


@pytest.mark.parametrize(("command", "said", "remedy"), REFUSED.values(), ids=REFUSED)
def test_a_login_that_is_no_shell(command, said, remedy, tmp_path):
    device = FolderTransport(tmp_path / "home", shell=["sh", "-c", command])
    for attempt in (lambda: device.run(["true"], timeout_s=10), lambda: device.converse(["true"], timeout_s=10)):
        with pytest.raises(DeviceError) as error:
            attempt()
        assert "ssh:board runs no shell for us" in error.value.message and said in error.value.message
        assert remedy in error.value.hint and str(error.value).isprintable()


def test_a_login_that_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(unanswered, "BEGIN_TIMEOUT_S", 0.3)
    device = FolderTransport(
        tmp_path / "home", shell=["sh", "-c", "echo '1) tmux 2) shell'; while read -r x; do :; done; sleep 60"]
    )
    with pytest.raises(
        DeviceError, match=r"The login of ssh:board waits for something: it says '1\) tmux 2\) shell'\."
    ):
        device.run(["true"], timeout_s=10)
