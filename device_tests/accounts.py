"""Accounts of every odd kind on this machine, each of which is a board of its own behind one real sshd.

They are in no file outside of the private namespace: /etc is laid over, and /home is empty at first. An account may see
another system than this machine's, into which sshd locks it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from device_tests.rootfs import run_tool
from device_tests.servers import ALIAS, BUILD, INSTALL_HINT, SshServer, free_port, ssh_server
from device_tests.userlands import Userland, lay

FIRST_USER = 5001
PLACE = Path("/opt")  # for files that every user may read, in a file system of its own
PASSWORD = "raspberry"  # of every account, where sshd takes passwords


@dataclass(frozen=True)
class Account:
    """A user, with what is odd about it."""

    name: str
    shell: str = "/bin/bash"
    files: Mapping[str, str] = field(default_factory=dict)  # below its home
    match: Sequence[str] = ()  # lines of sshd's settings for it; {home} is its home
    home: str | None = ""  # options of a file system of its own; None: it has no home
    userland: Userland | None = None  # None: this machine's


@dataclass(frozen=True)
class Board:
    """The machine as one account sees it."""

    account: Account
    user: int
    server: SshServer

    @property
    def place(self) -> Path:
        """What is made for it."""
        return PLACE / "boards" / self.account.name

    @property
    def root(self) -> Path:
        """Its root, as this machine sees it."""
        return self.place / "root" if self.account.userland else Path("/")

    @property
    def home(self) -> Path:
        """Where the account is at home, as this machine sees it."""
        return self.root / "home" / self.account.name

    @property
    def address(self) -> str:
        """What the user calls it."""
        return f"ssh:{self.account.name}@{ALIAS}"

    def make(self) -> None:
        """Make the system that the account sees, and its home."""
        if self.account.userland:
            lay(self.account.userland, self.place, bases=BUILD)
        options = self.account.home
        if options is None:
            return
        self.home.mkdir()
        if options:
            mounted = ",".join(option for option in options.split(",") if option != "ro")
            _run("mount", "-t", "tmpfs", "-o", mounted or "mode=755", "tmpfs", str(self.home))
        self.write(self.account.files)
        if "ro" in options.split(","):
            _run("mount", "-o", "remount,ro", str(self.home))

    def write(self, files: Mapping[str, str]) -> None:
        """Write files below the account's home, as its own."""
        for name, text in files.items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        _run("chown", "-R", f"{self.user}:{self.user}", str(self.home))

    def as_root(self, command: str) -> None:
        """Do there what a sentence says, `sudo` included; USER is the account."""
        script = 'sudo() { "$@"; }\n' + re.sub(r"\bUSER\b", self.account.name, command)
        subprocess.run(["bash", "-c", script], cwd="/", check=True, timeout=60)

    def set_match(self, lines: Sequence[str], *, userland: bool = True) -> None:
        """Give the account other lines in sshd's settings, and without `userland` this machine's system."""
        text = self.server.settings.read_text()
        own = re.search(rf"^# {re.escape(self.account.name)}\n[^#]*", text, re.MULTILINE)
        assert own
        account = self.account if userland else replace(self.account, userland=None)
        self.server.settings.write_text(text.replace(own[0], _match(account, lines)))
        self.server.reload()


class Boards:
    """All of them, each made when it is first asked for."""

    def __init__(self, accounts: Sequence[Account], server: SshServer) -> None:
        self._boards = {each.name: Board(each, FIRST_USER + n, server) for n, each in enumerate(accounts)}
        self._made: set[str] = set()
        self.server = server

    def __getitem__(self, name: str) -> Board:
        board = self._boards[name]
        if name not in self._made:
            self._made.add(name)
            board.make()
        return board


@contextmanager
def boards(accounts: Sequence[Account]) -> Iterator[Boards]:
    """Run the sshd that lets these accounts in."""
    for folder in ("/home", str(PLACE)):
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    for name in ("upper", "work"):
        (PLACE / name).mkdir()
    layers = f"lowerdir=/etc,upperdir={PLACE}/upper,workdir={PLACE}/work"
    _run("mount", "-t", "overlay", "-o", layers, "overlay", "/etc")
    for file, form in _FORMS.items():
        with Path(file).open("a") as lines:
            lines.writelines(
                form.format(name=each.name, user=FIRST_USER + n, shell=each.shell) for n, each in enumerate(accounts)
            )
    more = "ListenAddress ::1\n" + "".join(_match(each, each.match) for each in accounts)
    with ssh_server(PLACE / "sshd", None, port=free_port(), more=more) as server:
        yield Boards(accounts, server)


# By `openssl passwd -6 -salt odd`.
_HASHED = "$6$odd$bVlNZfHoaSdSM2H49O3R4/rrI7.1qH9AKmlcVBHjxr11vpK2byXjUBaOEbPKMiA55khSe8JbDkO6Fsju9xu64/"
_FORMS = {
    "/etc/passwd": "{name}:x:{user}:{user}::/home/{name}:{shell}\n",
    "/etc/group": "{name}:x:{user}:\n",
    "/etc/shadow": f"{{name}}:{_HASHED}:19000:0:99999:7:::\n",
}


def _match(account: Account, lines: Sequence[str]) -> str:
    lines = [line.format(home=f"/home/{account.name}") for line in lines]
    if account.userland:
        lines.append(f"ChrootDirectory {PLACE}/boards/{account.name}/root")
    return f"# {account.name}\n" + "".join(f"{line}\n" for line in (f"Match User {account.name}", *lines) if lines)


def _run(*command: str) -> None:
    run_tool(list(command), hint=INSTALL_HINT)
