"""What stands in ssh's way: the user's own configuration, keys, known hosts, jump hosts, ports and names.

Each remedy is typed at a terminal as the sentence has it.
"""

import os
import re
import socket
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from device_tests.accounts import PASSWORD
from device_tests.by_hand import type_in
from device_tests.cases import Case, command_in, commands_in, parameters, see
from device_tests.clients import Client
from device_tests.servers import ALIAS, HOST, free_port

PASSPHRASE = "open sesame"
SHELL = ("$", "exit")  # a prompt, and what ends it


@dataclass(frozen=True)
class Login(Case):
    """A case of this machine's making: `setup` writes the configuration, and returns another address, if it has one."""

    setup: Callable[[Client], str | None] = Client.write


def with_lines(*lines):
    return lambda client: client.write(*lines)


def known_hosts(text, *lines):
    """A file of its own, which holds this."""

    def setup(client):
        own = client.folder / "known_hosts"
        own.write_text(text(client.board.server))
        client.write(*lines, UserKnownHostsFile=own)

    return setup


def accept_the_key(client, hint):
    *forget, connect = commands_in(hint)
    for command in forget:
        type_in(command)
    type_in(connect, ("(yes/no", "yes"), SHELL)


def make_key(client, *, passphrase=""):
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(client.folder / "key")]
    subprocess.run(words, check=True)
    client.write(IdentityFile=client.folder / "key")


def locked_key(client):
    subprocess.run(["cp", str(client.key), str(client.folder / "key")], check=True)
    words = ["ssh-keygen", "-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", str(client.folder / "key")]
    subprocess.run(words, check=True)
    client.write(IdentityFile=client.folder / "key")
    client.patch.delenv("SSH_AUTH_SOCK", raising=False)


def locked_key_and_agent(client):
    locked_key(client)
    take_agent(client, type_in(f'eval "$(ssh-agent)" && {TELL_AGENT}'))


TELL_AGENT = 'echo "agent: $SSH_AUTH_SOCK $SSH_AGENT_PID."'


def take_agent(client, shown):
    found = re.search(r"agent: (\S+) (\d+)\.", shown)
    client.patch.setenv("SSH_AUTH_SOCK", found[1])
    client.patch.setenv("SSH_AGENT_PID", found[2])


def unlock(client, hint):
    """In the shell that measures, whose variables are this process's."""
    take_agent(client, type_in(f"{command_in(hint)} && {TELL_AGENT}", ("passphrase", PASSPHRASE)))


def open_key(client):
    subprocess.run(["cp", str(client.key), str(client.folder / "key")], check=True)
    (client.folder / "key").chmod(0o644)
    client.write(IdentityFile=client.folder / "key")


def as_typed(client, hint):
    type_in(command_in(hint))


def hand_over(client, hint):
    """Make the key, if it is to be made, and let the board have it, which asks for the account's password."""
    (client.folder / ".ssh").mkdir()
    *make, copy = commands_in(hint)[: 2 if "ssh-keygen" in hint else 1]
    for command in make:
        type_in(command, ("passphrase", ""), ("again", ""))
    type_in(copy, ("password:", PASSWORD), environment=os.environ | {"HOME": str(client.folder)})


def no_key(client):
    client.write(IdentityFile=client.folder / "nothing")


def share(client, hint):
    """Log in by hand, and share that; the socket lies beside the configuration rather than in the real user's home."""
    lines = re.search(r"configuration, (ControlMaster .+?), (ControlPath .+?), (ControlPersist \w+)", hint)
    client.write(*(line.replace("~/.ssh", str(client.folder)) for line in lines.groups()))
    type_in(command_in(hint.partition("log in by hand")[2]), ("password:", PASSWORD), SHELL)


def correct(client, hint):
    assert "Correct it" in hint
    client.write()


def behind(gate):
    """A board that is reached by way of another account."""

    def setup(client):
        far = ("Host far", f"HostName {HOST}", f"Port {client.port}", f"ProxyJump {gate}@{ALIAS}")
        server = client.board.server
        client.write(*far, f"IdentityFile {server.identity}", f"UserKnownHostsFile {server.known_hosts}")
        return f"ssh:{client.board.account.name}@far"

    return setup


def allow_forwarding(client, hint):
    assert command_in(hint) == "AllowTcpForwarding yes"
    client.boards["closed-gate"].set_match([command_in(hint)])
    return f"ssh:{client.board.account.name}@far"


def by_number(client):
    known = client.folder / "known_hosts"
    known.write_text(client.board.server.known_hosts.read_text().replace(f"[{HOST}]", "[::1]"))
    client.write(host="*", HostName="%h", UserKnownHostsFile=known)
    return f"ssh:{client.board.account.name}@[::1]:{client.port}"


def anywhere(host, port):
    """An address by name or number alone."""

    def setup(client):
        client.write(host="*", HostName="%h", ConnectTimeout=2)
        return f"ssh:{client.board.account.name}@{host}:{port(client)}"

    return setup


def silent_port(client):
    client.listener.append(socket.create_server((HOST, 0)))
    return client.listener[0].getsockname()[1]


def right_address(*words):
    def remedy(client, hint):
        assert all(word in hint for word in words), hint
        return f"ssh:{client.board.account.name}@{HOST}:{client.port}"

    return remedy


TMUX = ("RemoteCommand tmux attach", "RequestTTY force", "LocalCommand echo hello", "PermitLocalCommand yes")
IN_BACKGROUND = ("StdinNull yes", "SessionType none", "ForkAfterAuthentication yes")
LOCKED = ("has a passphrase, and no agent holds it",)
NOT_LET_IN = "does not let us in as"

CASES = (
    Login("a RemoteCommand with a terminal", "login", setup=with_lines(*TMUX)),
    Login("a client that goes into the background", "login", setup=with_lines(*IN_BACKGROUND)),
    Login(
        *("a host key that is not known, where that is refused", "login"),
        *(("has a host key that is not known here",), accept_the_key),
        setup=known_hosts(lambda server: "", "StrictHostKeyChecking yes"),
    ),
    Login(
        *("a host key that is not known, where that is accepted", "login"),
        setup=known_hosts(lambda server: "", "StrictHostKeyChecking accept-new"),
    ),
    Login(
        *("a host key that has changed", "login", ("has another host key than before",), accept_the_key),
        setup=known_hosts(lambda server: server.wrong_known_hosts.read_text()),
    ),
    Login("a key with a passphrase, and no agent", "login", LOCKED, unlock, setup=locked_key),
    Login("a key with a passphrase that the agent lacks", "login", LOCKED, unlock, setup=locked_key_and_agent),
    Login("a key that others may read", "login", ("since others may read it",), as_typed, setup=open_key),
    Login("a key that the board does not know", "own-keys", ("accepts no key of yours",), hand_over, setup=make_key),
    Login("no key", "new-keys", (NOT_LET_IN, "is not there"), hand_over, setup=no_key),
    Login("a board that takes passwords alone", "by-password", ("asks for more than a key",), share),
    Login(
        *("a configuration that ssh does not take", "login", ("does not take its configuration", "line"), correct),
        setup=with_lines("UseTelepathy yes"),
    ),
    Login("a jump host", "login", setup=behind("gate")),
    Login(
        *("a jump host that does not forward", "login", ("closed-gate", "does not forward"), allow_forwarding),
        setup=behind("closed-gate"),
    ),
    Login("an IPv6 address", "login", setup=by_number),
    Login(
        *("a port at which nobody listens", "login", ("refuses connections at port",)),
        right_address("the port right?"),
        setup=anywhere(HOST, lambda client: free_port()),
    ),
    Login(
        *("a name that nobody knows", "login", ("cannot be found by its name",)),
        right_address("Its number", "in the place of its name"),
        setup=anywhere("no-such-board.invalid", lambda client: client.port),
    ),
    Login(
        *("a server that takes connections and says nothing", "login", ("takes connections at port", "says nothing")),
        right_address("Is that the port of its ssh server?"),
        setup=anywhere(HOST, silent_port),
    ),
)


@pytest.fixture
def client_of(odd_boards, monkeypatch):
    """Makes the client of an account; what it has started ends with the test."""
    made = []
    with tempfile.TemporaryDirectory(prefix="odd-") as folder:  # of a short name, for sockets

        def make(account):
            made.append(Client(odd_boards[account], odd_boards, Path(folder), monkeypatch))
            return made[0]

        yield make
        for client in made:
            subprocess.run(["ssh", "-F", str(client.config), "-O", "exit", ALIAS], capture_output=True, timeout=20)
            for listener in client.listener:
                listener.close()
        if "SSH_AGENT_PID" in os.environ:
            subprocess.run(["ssh-agent", "-k"], capture_output=True, check=True, timeout=20)


@pytest.mark.parametrize("case", parameters(CASES))
def test_a_login(case, client_of, small_model, output_hash):
    client = client_of(case.account)
    device = case.setup(client) or ""
    see(case, client, small_model, output_hash, device)
