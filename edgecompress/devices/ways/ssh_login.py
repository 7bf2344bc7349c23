"""Where ssh would go, and how, as the user's own configuration has it (`ssh -G`); and what we ask of it beyond that."""

from __future__ import annotations

import getpass
import os
import pwd
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from edgecompress.devices.address import Address, parse_address
from edgecompress.devices.answers import printable_lines, whole
from edgecompress.devices.wire.client import execute
from edgecompress.errors import DeviceError

CONNECT_TIMEOUT_S = 10
ANSWER_TIMEOUT_S = 20  # `ssh -G` may look names up
SPEAK_TIMEOUT_S = 60
PERSIST_S = 15  # how long a shared connection stays that nobody uses, such as one whose user was killed

# Whatever the user's file has for people at a terminal is not for a program; the rest of it rules.
_OPTIONS = (
    *("BatchMode=yes", "LogLevel=INFO", "RemoteCommand=none", "RequestTTY=no", "PermitLocalCommand=no"),
    *("ForwardX11=no", "ClearAllForwardings=yes", "Compression=yes", "ServerAliveInterval=5", "ServerAliveCountMax=3"),
)
_NEWER = {  # by their names in `ssh -G`: clients before 8.7 do not know them, and end
    "sessiontype": "SessionType=default",
    "stdinnull": "StdinNull=no",
    "forkafterauthentication": "ForkAfterAuthentication=no",
}


_HOME = pwd.getpwuid(os.getuid()).pw_dir  # which is what ssh means by ~, whatever HOME says


@dataclass(frozen=True)
class Login:
    """Who logs in where; `settings` has the words of each line of `ssh -G` by its keyword."""

    address: Address
    settings: Mapping[str, tuple[str, ...]] = field(repr=False)
    config: str = ""  # another configuration than the user's
    behind: str = ""  # the device to which this host is only the way

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return f"{self.address}, the jump host of {self.behind}," if self.behind else str(self.address)

    @property
    def user(self) -> str:
        """Who logs in."""
        return self._first("user")

    @property
    def host(self) -> str:
        """The name or number that is connected to."""
        return self._first("hostname")

    @property
    def port(self) -> int:
        """The port that is connected to."""
        return whole(self._first("port")) or 22

    @property
    def known_as(self) -> str:
        """The host's name in files of known hosts."""
        if alias := self._first("hostkeyalias"):
            return alias
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"

    @property
    def asks_for_unknown_hosts(self) -> bool:
        """Whether connecting by hand lets the user accept a host key."""
        return self._first("stricthostkeychecking") not in ("true", "yes")

    @property
    def where(self) -> str:
        """The words that lead `ssh` and `ssh-copy-id` there, for the user's shell."""
        host = self.address.target.rpartition("@")[2]
        return shlex.join([*self._file(), "-p", str(self.port), f"{self.user}@{host}"])

    @property
    def keys(self) -> tuple[Path, ...]:
        """The files of keys that ssh tries, whether they are there or not."""
        tokens = {"%": "%", "d": _HOME, "h": self.host, "n": self.address.target.rpartition("@")[2]}
        tokens |= {"p": str(self.port), "r": self.user, "u": getpass.getuser(), "i": str(os.getuid())}
        named = [file for file in self.settings.get("identityfile", ()) if file != "none"]
        return tuple(
            Path(_expanded(re.sub(r"%(.)", lambda each: tokens.get(each[1], each[0]), file))) for file in named
        )

    @property
    def agent(self) -> str:
        """The socket of an agent that the configuration names; empty: the environment's."""
        named = _expanded(self._first("identityagent"))
        return named if named.startswith("/") else ""

    @property
    def jump(self) -> Login | None:
        """The last host on the way, if there is one."""
        way, _, last = self._first("proxyjump").rpartition(",")
        if last in ("", "none"):
            return None
        last = re.sub(r"\[([^\]:]+)\]", r"\1", last.removeprefix("ssh://"))  # `ssh -G` has IPv4 in brackets, too
        found = read_login(parse_address(f"ssh:{last}"), config=self.config)
        settings = {**found.settings, "proxyjump": (way,)} if way else found.settings
        return Login(found.address, settings, self.config, behind=self.behind or str(self.address))

    @cached_property
    def has_master(self) -> bool:
        """Whether the user has a connection there that others share, such as after two factors were asked for."""
        if self._first("controlpath") in ("", "none"):
            return False
        command = ["ssh", *self._file(), *self._port(), "-O", "check", "--", self.address.target]
        return execute(command, timeout_s=ANSWER_TIMEOUT_S, what="ssh").status == 0

    def options(self, socket: str) -> list[str]:
        """Return the options of every call of ssh; calls share a connection by `socket`, or by the user's own."""
        if self.has_master:
            return self._options("ControlMaster=no")
        return self._options("ControlMaster=auto", f"ControlPath={socket}", f"ControlPersist={PERSIST_S}")

    def speak(self) -> str:
        """Return what ssh says when it goes there alone: one that shares its connection loses its jump host's words."""
        options = self._options("ControlMaster=no", "ControlPath=none", "ControlPersist=no")
        command = ["ssh", "-T", *options, *self._port(), "--", self.address.target, "exit"]
        return execute(command, timeout_s=SPEAK_TIMEOUT_S, what=str(self.address)).stderr

    def _options(self, *sharing: str) -> list[str]:
        options = [*_OPTIONS, *(option for key, option in _NEWER.items() if key in self.settings), *sharing]
        if self._first("connecttimeout") in ("", "none"):
            options.append(f"ConnectTimeout={CONNECT_TIMEOUT_S}")
        return [*self._file(), *(f"-o{option}" for option in options)]

    def _file(self) -> list[str]:
        return ["-F", self.config] if self.config else []

    def _port(self) -> list[str]:
        return ["-p", str(self.address.port)] if self.address.port else []

    def _first(self, key: str) -> str:
        return self.settings.get(key, ("",))[0]


def read_login(address: Address, *, config: str | None = None) -> Login:
    """Ask ssh where it would go; `EDGECOMPRESS_SSH_CONFIG` names another configuration than the user's.

    Raises:
        DeviceError: there is no ssh, or it refuses the configuration.
    """
    config = os.environ.get("EDGECOMPRESS_SSH_CONFIG", "") if config is None else config
    login = Login(address, {}, config)
    command = ["ssh", "-G", "-T", *login._file(), *login._port(), "--", address.target]
    finished = execute(command, timeout_s=ANSWER_TIMEOUT_S, what="ssh")
    if finished.status:
        words = (printable_lines(finished.stderr) or ["no reason given"])[0]
        if owner := re.match(r"Bad owner or permissions on (.+)", words):
            hint = f"Only you may write to it: `chmod 600 {shlex.quote(owner[1])}`."
        else:
            hint = "Correct it: `ssh` itself ends with the same words."
        raise DeviceError(f"ssh does not take its configuration for {address}: {words.rstrip('.')}.", hint=hint)
    settings: dict[str, tuple[str, ...]] = {}
    for line in finished.stdout.splitlines():
        key, _, value = line.partition(" ")
        settings[key] = (*settings.get(key, ()), value)
    return Login(address, settings, config)


def _expanded(file: str) -> str:
    return os.path.expandvars(re.sub(r"^~(?=/)", _HOME, file))
