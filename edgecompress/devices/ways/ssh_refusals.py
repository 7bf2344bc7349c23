"""What ssh says when it does not get in, and what to do about it."""

from __future__ import annotations

import re
import shlex

from edgecompress.devices.answers import printable_lines
from edgecompress.devices.ways.ssh_keys import why_denied
from edgecompress.devices.ways.ssh_login import Login
from edgecompress.errors import DeviceError, DeviceGone

_NOISE = re.compile(r"(debug\d: |mux_client|Warning: Permanently added|Pseudo-terminal|Killed by signal)")
_DENIED = re.compile(r"^\S+@\S+: Permission denied \(([\w,.@-]+)\)", re.MULTILINE)
_CHANGED = re.compile(r"^Offending \S+ key in (.+):\d+$", re.MULTILINE)
_BEHIND = re.compile(r"^Connection .*\bUNKNOWN port 65535", re.MULTILINE)
_PROXY_ENDED = re.compile(r"^(kex_exchange_identification: |Connection .*\bUNKNOWN port 65535).*$\n?", re.MULTILINE)
_UNREACHED = re.compile(r"^channel \d+: open failed: (connect failed|administratively prohibited): (.+)$", re.MULTILINE)
_OLD = re.compile(r"^Unable to negotiate with .+: no matching (.+) found\. Their offer: ([\w.@-]+)", re.MULTILINE)
_OLD_OPTIONS = {
    "host key type": ("HostKeyAlgorithms", "PubkeyAcceptedAlgorithms"),
    "key exchange method": ("KexAlgorithms",),
    "cipher": ("Ciphers",),
    "MAC": ("MACs",),
}
_LOST = re.compile(
    r"^(Timeout, server .+ not responding|client_loop: send disconnect: .+|Connection to .+ closed by remote host"
    r"|Read from remote host .+|packet_write_wait: .+)",
    re.MULTILINE,
)

_TABLE = (  # what ssh says, what it means, what to try; in the latter two, {1} is the first group
    (
        r"^ssh: Could not resolve hostname (\S+):",
        "cannot be found by its name",
        "Is '{1}' right, and the device on? Its number (such as 192.168.1.7) does in the place of its name.",
    ),
    (
        r"^ssh: connect to (?:host|address) .+ port \d+: Connection refused",
        "refuses connections at port {port}",
        "Is its ssh server running, and the port right? On a Raspberry Pi: `sudo systemctl enable --now ssh`.",
    ),
    (
        r"^ssh: connect to (?:host|address) (fe80\S*) port \d+: Invalid argument",
        "is only reached through one of this machine's networks",
        "Say which: {1}%eth0, where `ip -br link` lists the names.",
    ),
    (
        r"^ssh: connect to (?:host|address) .+ port \d+: (?:Connection|Operation) timed out",
        "does not answer at port {port}",
        "Is it on, and in the same network?",
    ),
    (
        r"^ssh: connect to (?:host|address) .+ port \d+: (.+)",
        "cannot be reached: {1}",
        "Is it on, and in the same network?",
    ),
    (
        r"^Connection (?:to .+ port \d+ )?timed out(?: during banner exchange)?",
        "takes connections at port {port}, and then says nothing",
        "Is that the port of its ssh server? If so, restart the device.",
    ),
    (
        r"^banner exchange: .+: invalid format|^kex_exchange_identification: banner line contains invalid",
        "has no ssh server at port {port}, but another",
        "Give the port: ssh:USER@HOST:PORT.",
    ),
    (
        r"Too many authentication failures",
        "was offered too many keys, and hung up",
        "In your ssh configuration, give this host IdentitiesOnly yes and the IdentityFile that is its own.",
    ),
    (
        r"^(?:kex_exchange_identification|ssh_exchange_identification|ssh_dispatch_run_fatal): (?:.+: )?(.+)",
        "hangs up at once: {1}",
        "Its ssh server keeps this machine out (fail2ban, hosts.deny, MaxStartups), which `journalctl -u ssh` "
        "there tells; or port {port} is not its.",
    ),
    (
        r"^Received disconnect from .+ port \d+:\d+: (.+)",
        "hangs up: {1}",
        "Does `ssh {where}` work by hand?",
    ),
    (
        r"^(?:ssh: )?(?:remote username|hostname) contains invalid characters",
        "has a name that this ssh does not take",
        "Give it another by a Host entry in your ssh configuration.",
    ),
)  # fmt: skip


def refusal(said: str, login: Login) -> DeviceError:
    """Return the sentence for what ssh said as it ended; what we do not know is quoted."""
    if found := known(said, login):
        return found
    lines = _lines(said)
    words = lines[-1].rstrip(".") if lines else "it gives no reason"
    return DeviceError(
        f"ssh does not reach {login.name.rstrip(',')}: {words}.", hint=f"Does `ssh {login.where}` work by hand?"
    )


def known(said: str, login: Login) -> DeviceError | None:
    """Return the sentence for ssh's own words; None if they are not among those that we know."""
    said = "\n".join(_lines(said))
    if found := _LOST.search(said):
        return DeviceGone(
            f"{login.name} went away: {found[1].rstrip('.')}.", hint="Is it still on, and in the network?"
        )
    if _BEHIND.search(said):
        return _on_the_way(said, login)
    meaning, hint = _about_host_keys(said, login) or _about_keys(said, login) or _by_table(said, login) or ("", "")
    return DeviceError(f"{login.name} {meaning}.", hint=hint) if meaning else None


def _on_the_way(said: str, login: Login) -> DeviceError:
    """The sentence for a connection through another program, which ended; its words are lost where it is shared."""
    jump = login.jump
    said = _PROXY_ENDED.sub("", said).strip()
    if not said:
        said = _PROXY_ENDED.sub("", "\n".join(_lines(login.speak()))).strip()
    if jump and not said.startswith("Connection timed out"):
        unreached = _UNREACHED.search(said)
        if unreached and unreached[1] != "connect failed":
            return DeviceError(
                f"{jump.name} does not forward to {login.host} port {login.port}.",
                hint="Its sshd_config has to say `AllowTcpForwarding yes`, and no PermitOpen against it.",
            )
        if unreached:
            return DeviceError(
                f"{jump.name} does not reach {login.host} port {login.port}: {unreached[2].rstrip('.')}.",
                hint=f"Is it on, and its ssh server running? `ssh {jump.where}` leads to the jump host.",
            )
        return refusal(said, jump)
    words = said.splitlines()[-1].rstrip(".") if said else "it gives no reason"
    way = f"its jump host {jump.address}" if jump else "the ProxyCommand of your ssh configuration"
    return DeviceError(
        f"{login.name} cannot be reached by way of {way}: {words}.", hint=f"Does `ssh {login.where}` work by hand?"
    )


def _lines(said: str) -> list[str]:
    return [line for line in printable_lines(said) if not _NOISE.match(line)]


def _about_host_keys(said: str, login: Login) -> tuple[str, str] | None:
    by_hand = login.where if login.asks_for_unknown_hosts else f"-o StrictHostKeyChecking=ask {login.where}"
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in said:
        file = found[1] if (found := _CHANGED.search(said)) else "~/.ssh/known_hosts"
        forget = shlex.join(["ssh-keygen", "-f", file, "-R", login.known_as])
        return (
            "has another host key than before: its system is new, or it is another machine",
            f"If that is so: `{forget}`, then `ssh {by_hand}` once by hand.",
        )
    if "Host key verification failed" in said:
        return "has a host key that is not known here", f"Connect once by hand, and accept it: `ssh {by_hand}`."
    return None


def _about_keys(said: str, login: Login) -> tuple[str, str] | None:
    if denied := _DENIED.search(said):
        meaning, hint = why_denied(login, said, denied[1].split(","))
        return f"does not let us in as {login.user}: {meaning}", hint
    if (old := _OLD.search(said)) and old[1] in _OLD_OPTIONS:
        options = " and ".join(f"{option} +{old[2]}" for option in _OLD_OPTIONS[old[1]])
        return f"knows no {old[1]} that ssh still trusts", f"Allow {options} for this host in your ssh configuration."
    return None


def _by_table(said: str, login: Login) -> tuple[str, str] | None:
    for words, meaning, hint in _TABLE:
        if found := re.search(words, said, re.MULTILINE):
            values = {"port": login.port, "where": login.where}
            groups = [found[0], *(group.rstrip(".") for group in found.groups())]
            return meaning.format(*groups, **values), hint.format(*groups, **values)
    return None
