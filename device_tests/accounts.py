"""Accounts of every odd kind on this machine, each of which is a board of its own behind one real sshd.

They are in no file outside of the private namespace: /etc is laid over, and /home is empty at first.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from device_tests.rootfs import run_tool
from device_tests.servers import ALIAS, INSTALL_HINT, SshServer, free_port, ssh_server

FIRST_USER = 5001
PLACE = Path("/opt")  # for files that every user may read, in a file system of its own
MENU = 'echo "1) Shell  2) Reboot"\nsleep 600\n'  # what a login shows that waits for a person
WRAPPER = """#!/bin/sh
logger -t ssh "$SSH_ORIGINAL_COMMAND" 2>/dev/null
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""


@dataclass(frozen=True)
class Account:
    """A user, with what is odd about it."""

    name: str
    shell: str = "/bin/bash"
    files: Mapping[str, str] = field(default_factory=dict)  # below its home
    match: Sequence[str] = ()  # lines of sshd's settings for it; {home} is its home


SHELLS = (
    Account("plain"),
    Account("echoes", files={".bashrc": 'echo "Welcome to raspberrypi! = today"\nstty erase ^H\nmesg n\n'}),
    Account("moves", files={".bashrc": "mkdir -p ~/projects; cd ~/projects\n"}),
    Account("reads", files={".bashrc": 'echo -n "Your name? "; read -r name; echo "Hello $name"\n'}),
    Account("exits", files={".bashrc": "[ -t 0 ] || exit 0\n"}),
    Account("menu", files={".bashrc": MENU}),
    Account("slow", files={".bashrc": "sleep 1\n"}),
    Account("tcsh", "/usr/bin/tcsh", {".tcshrc": 'echo "tcsh here"\nset prompt = "% "\nstty erase ^H\n'}),
    Account("csh", "/bin/bsd-csh", {".cshrc": "echo csh here\nset path = ($path /opt/bin)\n"}),
    Account("fish", "/usr/bin/fish", {".config/fish/config.fish": "echo fish here\nset -x LANG de_DE.UTF-8\n"}),
    Account("zsh", "/usr/bin/zsh", {".zshenv": "echo zsh here\nsetopt nonomatch shwordsplit\n"}),
    Account("mksh", "/usr/bin/mksh", {".mkshrc": "echo mksh here\n"}),
    Account("ash", "/opt/ash", {".profile": "echo ash here\n"}),
    Account("nologin", "/usr/sbin/nologin"),
    Account("false", "/bin/false"),
    Account("missing", "/bin/nosuch"),
    Account("backups", match=['ForceCommand echo "This account is for backups only"']),
    Account("files-only", match=["ForceCommand internal-sftp"]),
    Account("logged", files={"wrapper": WRAPPER}, match=["ForceCommand sh {home}/wrapper"]),
    Account("banner", match=["Banner {home}/banner"], files={"banner": f"{'*' * 60}\nerror: Permission denied to strangers.\n{'*' * 60}\n"}),
)
ACCOUNTS = SHELLS


@dataclass(frozen=True)
class Board:
    """The machine as one account sees it."""

    account: Account
    server: SshServer

    @property
    def home(self) -> Path:
        """Where the account is at home."""
        return home_of(self.account)

    @property
    def address(self) -> str:
        """What the user calls it."""
        return f"ssh:{self.account.name}@{ALIAS}"

    def as_root(self, command: str) -> None:
        """Do on the board what a sentence says, `sudo` included; USER is the account."""
        script = 'sudo() { "$@"; }\n' + re.sub(r"\bUSER\b", self.account.name, command)
        subprocess.run(["bash", "-c", script], cwd=self.home, check=True, timeout=60)

    def set_files(self, files: Mapping[str, str]) -> None:
        """Write files below the account's home, as its own."""
        for name, text in files.items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        run_tool(["chown", "-R", f"{user_of(self.account)}:{user_of(self.account)}", str(self.home)], hint="")

    def set_match(self, match: Sequence[str]) -> None:
        """Give the account other lines in sshd's settings."""
        own = _match(self.account, self.account.match)
        text = self.server.settings.read_text()
        self.server.settings.write_text(text.replace(own, _match(self.account, match)))
        self.server.reload()


def home_of(account: Account) -> Path:
    """Where an account is at home."""
    return Path("/home") / account.name


def user_of(account: Account) -> int:
    """An account's number."""
    return FIRST_USER + ACCOUNTS.index(account)


@contextmanager
def boards() -> Iterator[Mapping[str, Board]]:
    """Run the sshd; returns the boards by the names of their accounts."""
    for folder in ("/home", str(PLACE)):
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    for name in ("upper", "work"):
        (PLACE / name).mkdir()
    layers = f"lowerdir=/etc,upperdir={PLACE}/upper,workdir={PLACE}/work"
    _run("mount", "-t", "overlay", "-o", layers, "overlay", "/etc")
    users = [(account, user_of(account)) for account in ACCOUNTS]
    lines = "".join(f"{each.name}:x:{user}:{user}::{home_of(each)}:{each.shell}\n" for each, user in users)
    _append("/etc/passwd", lines)
    _append("/etc/group", "".join(f"{each.name}:x:{user}:\n" for each, user in users))
    _append("/etc/shadow", "".join(f"{each.name}:*:19000:0:99999:7:::\n" for each, _ in users))
    more = "".join(_match(each, each.match) for each in ACCOUNTS)
    with ssh_server(PLACE / "sshd", None, port=free_port(), more=more) as server:
        found = {each.name: Board(each, server) for each in ACCOUNTS}
        for board in found.values():
            board.home.mkdir()
            board.set_files(board.account.files)
        yield found


def _match(account: Account, lines: Sequence[str]) -> str:
    settings = "".join(f"  {line.format(home=home_of(account))}\n" for line in lines)
    return f"Match User {account.name}\n{settings}" if settings else f"# {account.name}\n"


def _append(path: str, lines: str) -> None:
    with Path(path).open("a") as file:
        file.write(lines)


def _run(*command: str) -> None:
    run_tool(list(command), hint=INSTALL_HINT)
