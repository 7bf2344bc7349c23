import os
import shlex
import subprocess

import pytest

from edgecompress.devices.ways.ssh_keys import why_denied

ALL = ("publickey", "password", "keyboard-interactive")


@pytest.fixture(autouse=True)
def no_agent(monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
def agent(tmp_path_factory):
    """The socket of a real agent; paths of sockets have to be short."""
    socket = str(tmp_path_factory.mktemp("a") / "s")
    child = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE)
    assert b"SSH_AUTH_SOCK" in child.stdout.readline()
    yield socket
    child.terminate()
    child.wait()
    child.stdout.close()


def make(file, *, passphrase=""):
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-a", "1", "-C", "ours", "-N", passphrase, "-f", str(file)]
    subprocess.run(words, check=True)


def commands(hint):
    return hint.split("`")[1::2]


def test_no_key(login, keys):
    found = login(before="IdentityFile none\nMatch all")
    meaning, hint = why_denied(found, "", ALL)
    assert meaning == "you have no key"
    assert commands(hint) == ["ssh-keygen -t ed25519", f"ssh-copy-id {found.where}"]


def test_a_key_that_is_named_and_not_there(login, keys):
    meaning, hint = why_denied(login(), f"no such identity: {keys}/key: No such file or directory\n", ALL)
    assert meaning == f"the key {keys}/key, which your ssh configuration names, is not there"
    assert commands(hint) == [f"ssh-keygen -t ed25519 -f {keys}/key", f"ssh-copy-id -i {keys}/key.pub {login().where}"]


def test_a_key_that_the_board_does_not_know(login, keys):
    make(keys / "key")
    meaning, hint = why_denied(login(), "", ALL)
    assert meaning == "it accepts no key of yours"
    assert commands(hint) == [
        f"ssh-copy-id -i {keys}/key.pub -F {login().config} -p 2200 pi@board",
        "journalctl -u ssh",
    ]


def test_a_key_without_its_public_half(login, keys):
    """Which `ssh-copy-id` takes: the remedy makes it."""
    make(keys / "key")
    public = (keys / "key.pub").read_text()
    (keys / "key.pub").unlink()
    command, _ = commands(why_denied(login(), "", ALL)[1])
    subprocess.run(["sh", "-c", command.partition(" && ")[0]], check=True)
    assert (keys / "key.pub").read_text() == public


def test_a_board_that_takes_no_passwords(login, keys):
    make(keys / "key")
    hint = why_denied(login(), "", ["publickey"])[1]
    assert hint.startswith("It takes no passwords: add key.pub to ~pi/.ssh/authorized_keys there by another way")


@pytest.mark.parametrize("methods", [["password"], ["password", "keyboard-interactive"]])
def test_a_board_that_takes_no_keys(methods, login, keys):
    make(keys / "key")
    meaning, hint = why_denied(login(), "", methods)
    assert meaning == f"it asks for more than a key, or takes none ({', '.join(methods)})"
    assert "PubkeyAuthentication yes" in hint and commands(hint) == [f"ssh {login().where}"]


def test_a_passphrase_without_an_agent(login, keys):
    make(keys / "key", passphrase="secret")
    meaning, hint = why_denied(login(), "", ALL)
    assert meaning == f"the key {keys}/key has a passphrase, and no agent holds it"
    assert commands(hint) == [f'eval "$(ssh-agent)" && ssh-add {keys}/key']


@pytest.mark.parametrize("configured", [False, True])
def test_a_passphrase_and_an_agent(configured, login, keys, agent, tmp_path, monkeypatch):
    """The remedy is followed; from then on it is the board that does not know the key."""
    make(keys / "key", passphrase="secret")
    if not configured:
        monkeypatch.setenv("SSH_AUTH_SOCK", agent)
    found = login(before=f"IdentityAgent {agent}" if configured else "")
    (command,) = commands(why_denied(found, "", ALL)[1])
    assert command == f"ssh-add {keys}/key"

    (tmp_path / "ask").write_text("#!/bin/sh\necho secret\n")
    (tmp_path / "ask").chmod(0o755)
    asked = {"SSH_AUTH_SOCK": agent, "SSH_ASKPASS": str(tmp_path / "ask"), "SSH_ASKPASS_REQUIRE": "force"}
    subprocess.run(shlex.split(command), env=os.environ | asked, check=True, capture_output=True)
    assert why_denied(found, "", ALL)[0] == "it accepts no key of yours"


def test_a_key_that_others_may_read(login, keys):
    """What ssh 9.2 said."""
    said = f"Permissions 0644 for '{keys}/my key' are too open.\nLoad key \"{keys}/my key\": bad permissions\n"
    meaning, hint = why_denied(login(), said, ALL)
    assert meaning == f"ssh does not use the key '{keys}/my key', since others may read it"
    (keys / "my key").touch(mode=0o644)
    subprocess.run(["sh", "-c", *commands(hint)], check=True)
    assert (keys / "my key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_ssh_cannot_read(login, keys):
    said = f'Load key "{keys}/key": invalid format\n'
    meaning, hint = why_denied(login(), said, ALL)
    assert meaning == f"ssh cannot read the key {keys}/key: invalid format" and f"ssh-keygen -y -f {keys}/key" in hint


def test_an_agent_that_does_not_sign(login, keys):
    said = f'sign_and_send_pubkey: signing failed for ED25519 "{keys}/key" from agent: agent refused operation\n'
    meaning, hint = why_denied(login(), said, ALL)
    assert meaning == f"the agent did not sign with the key {keys}/key: agent refused operation"
    assert commands(hint) == [f"ssh-add {keys}/key"]
