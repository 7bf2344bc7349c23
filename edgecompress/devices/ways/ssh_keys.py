"""Why a board does not take our keys: examines those that ssh would try, and what the agent holds."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from pathlib import Path

from edgecompress.devices.ways.ssh_login import Login
from edgecompress.devices.wire.client import execute

_TIMEOUT_S = 10
_MAKE = "ssh-keygen -t ed25519"
_OPEN = re.compile(r'^Load key "(.+)": bad permissions', re.MULTILINE)
_UNREADABLE = re.compile(r'^Load key "(.+)": (invalid format|error in libcrypto|Permission denied)', re.MULTILINE)
_UNSIGNED = re.compile(
    r"^sign_and_send_pubkey: signing failed for \S+ \"?([^\"\n]+)\"? from agent: (.+)$", re.MULTILINE
)
_ABSENT = re.compile(r"^no such identity: (.+): No such file", re.MULTILINE)


def why_denied(login: Login, said: str, methods: Collection[str]) -> tuple[str, str]:
    """Return what is wrong with our keys, as the end of a sentence, and what to do about it.

    `said` is ssh's own words, and `methods` are the ways that the board offers to be let in.
    """
    if found := _OPEN.search(said):
        file = shlex.quote(found[1])
        return f"ssh does not use the key {file}, since others may read it", f"`chmod 600 {file}`."
    if "publickey" not in methods:
        return (
            f"it asks for more than a key, or takes none ({', '.join(methods)})",
            "Have it take keys (PubkeyAuthentication yes in its sshd_config), or log in by hand and share that: in "
            "your ssh configuration, ControlMaster auto, ControlPath ~/.ssh/%C, ControlPersist 8h; "
            f"then `ssh {login.where}`.",
        )
    if found := _UNSIGNED.search(said):
        return (
            f"the agent did not sign with the key {found[1]}: {found[2]}",
            f"`ssh-add {shlex.quote(found[1])}`, again.",
        )
    if found := _UNREADABLE.search(said):
        file = shlex.quote(found[1])
        hint = f"`ssh-keygen -y -f {file}` has to print its public half; a new key is made by `{_MAKE}`."
        return f"ssh cannot read the key {file}: {found[2]}", hint

    present = [key for key in login.keys if key.is_file()]
    held = _held(login)
    locked = [key for key in present if _has_passphrase(key) and _fingerprint(key) not in (held or ())]
    if locked:
        file = shlex.quote(str(locked[0]))
        return (
            f"the key {file} has a passphrase, and no agent holds it",
            f"`ssh-add {file}`."
            if held is not None
            else f'`eval "$(ssh-agent)" && ssh-add {file}`, in the shell that measures.',
        )
    if present or held:
        hint = _handed_over(login, present[0] if present else None, methods)
        return (
            "it accepts no key of yours",
            f"{hint} If it has it, `journalctl -u ssh` there tells why not: a folder that others may write to, or "
            "an account that is locked or has no shell.",
        )
    if absent := _ABSENT.search(said):
        file, key = shlex.quote(absent[1]), Path(absent[1])
        handed = _handed_over(login, key, methods)
        return (
            f"the key {file}, which your ssh configuration names, is not there",
            f"`{_MAKE} -f {file}` makes it. {handed}",
        )
    return "you have no key", f"`{_MAKE}` makes one. {_handed_over(login, None, methods)}"


def _handed_over(login: Login, key: Path | None, methods: Collection[str]) -> str:
    """How the board gets to know a key; None is the one that `ssh-copy-id` finds."""
    public = f"{key}.pub" if key and key.suffix != ".pub" else str(key)
    if {"password", "keyboard-interactive"} & set(methods):
        lacks = key and key.is_file() and not Path(f"{key}.pub").is_file() and key.suffix != ".pub"
        derive = f"ssh-keygen -y -f {shlex.quote(str(key))} > {shlex.quote(public)} && " if lacks else ""
        return f"`{derive}ssh-copy-id {f'-i {shlex.quote(public)} ' if key else ''}{login.where}` hands it over."
    public = Path(public).name if key else "your public key"  # its folder makes the sentence too long to read
    return f"It takes no passwords: add {public} to ~{login.user}/.ssh/authorized_keys there by another way."


def _has_passphrase(key: Path) -> bool:
    tried = execute(["ssh-keygen", "-y", "-P", "", "-f", str(key)], timeout_s=_TIMEOUT_S, what="ssh-keygen")
    return tried.status != 0 and "incorrect passphrase" in tried.stderr


def _fingerprint(key: Path) -> str:
    return next(iter(_fingerprints(["ssh-keygen", "-l", "-f", str(key)]) or ()), "")


def _held(login: Login) -> list[str] | None:
    """What the agent holds; None if there is none."""
    agent = ["env", f"SSH_AUTH_SOCK={login.agent}"] if login.agent else []
    return _fingerprints([*agent, "ssh-add", "-l"], empty=1)


def _fingerprints(command: list[str], *, empty: int = 0) -> list[str] | None:
    listed = execute(command, timeout_s=_TIMEOUT_S, what=command[0])
    if listed.status not in (0, empty):
        return None
    return [words[1] for line in listed.stdout.splitlines() if len(words := line.split()) > 1 and ":" in words[1]]
