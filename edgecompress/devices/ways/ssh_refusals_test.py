"""On what OpenSSH 9.2 said to real servers, recorded, but for paths and numbers."""

import pytest

from edgecompress.devices.ways.ssh_refusals import known, refusal
from edgecompress.errors import DeviceGone

CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Offending ED25519 key in /home/me/my known:1
  remove with:
  ssh-keygen -f "/home/me/my known" -R "[10.0.0.2]:2200"
Host key for [10.0.0.2]:2200 has changed and you have requested strict checking.
Host key verification failed.
"""
ENDED = "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535\n"
REFUSED = "ssh: connect to host {} port {}: Connection refused\n"


def commands(hint):
    return hint.split("`")[1::2]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (REFUSED.format("10.0.0.2", 2200), "refuses connections at port 2200. Is its ssh server running"),
        ("ssh: connect to host 10.0.0.2 port 2200: Connection timed out\n", "does not answer at port 2200. Is it on"),
        (
            "ssh: connect to host 10.0.0.2 port 2200: No route to host\n",
            "cannot be reached: No route to host. Is it on",
        ),
        (
            "ssh: connect to host fe80::1 port 22: Invalid argument\n",
            "is only reached through one of this machine's networks. Say which: fe80::1%eth0",
        ),
        (
            "ssh: Could not resolve hostname rasberry.local: Name or service not known\n",
            "cannot be found by its name. Is 'rasberry.local' right",
        ),
        (
            "Connection timed out during banner exchange\nConnection to 10.0.0.2 port 2200 timed out\n",
            "takes connections at port 2200, and then says nothing. Is that",
        ),
        (
            "kex_exchange_identification: Connection closed by remote host\nConnection closed by 10.0.0.2 port 2200\n",
            "hangs up at once: Connection closed by remote host. Its ssh server keeps this machine out",
        ),
        (
            "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 10.0.0.2 port 2200\n",
            "hangs up at once: Connection reset by peer. Its ssh server",
        ),
        (
            "Unable to negotiate with 10.0.0.2 port 2200: no matching host key type found. Their offer: ssh-rsa\n",
            "knows no host key type that ssh still trusts. Allow HostKeyAlgorithms +ssh-rsa and Pubkey",
        ),
        (
            "Received disconnect from 10.0.0.2 port 2200:2: Too many authentication failures\n"
            "Disconnected from 10.0.0.2 port 2200\n",
            "was offered too many keys, and hung up. In your ssh configuration, give this host IdentitiesOnly yes",
        ),
        ("Received disconnect from 10.0.0.2 port 2200:11: Bye Bye\n", "hangs up: Bye Bye. Does `ssh -F"),
    ],
)
def test_what_ssh_says(said, sentence, login):
    noise = "Warning: Permanently added 'x' to the list.\r\n\nmux_client_request_session: session request failed\n"
    assert str(refusal(noise + said, login())).startswith(f"ssh:board {sentence}")


@pytest.mark.parametrize(
    "said",
    [
        "Timeout, server 10.0.0.2 not responding.\n",
        "client_loop: send disconnect: Broken pipe\n",
        "Connection to 10.0.0.2 closed by remote host.\n",
    ],
)
def test_a_board_that_goes_away(said, login):
    found = refusal(said, login())
    assert isinstance(found, DeviceGone) and found.message.startswith("ssh:board went away: ")


def test_a_host_key_that_is_not_known(login):
    found = refusal("Host key verification failed.\n", login())
    assert found.message == "ssh:board has a host key that is not known here."
    assert commands(found.hint) == [f"ssh {login().where}"]


def test_a_host_key_that_is_not_known_and_that_ssh_would_not_ask_about(login):
    said = "No ED25519 host key is known for x and you have requested strict checking.\nHost key verification failed.\n"
    strict = login(before="StrictHostKeyChecking yes")
    assert commands(refusal(said, strict).hint) == [f"ssh -o StrictHostKeyChecking=ask {strict.where}"]


def test_a_host_key_that_has_changed(login):
    found = refusal(CHANGED, login())
    assert found.message.startswith("ssh:board has another host key than before")
    forget, connect = commands(found.hint)
    assert forget == "ssh-keygen -f '/home/me/my known' -R '[10.0.0.2]:2200'" and connect == f"ssh {login().where}"


def test_a_key_that_is_not_accepted_names_the_user_and_the_port(login, keys):
    (keys / "key").touch()
    found = refusal("pi@10.0.0.2: Permission denied (publickey,password).\n", login())
    assert found.message == "ssh:board does not let us in as pi: it accepts no key of yours."
    assert "-p 2200 pi@board" in found.hint


def test_a_banner_that_speaks_of_permission_is_no_refusal(login):
    said = "Permission denied to all who are not of us\n" + REFUSED.format("10.0.0.2", 2200)
    assert refusal(said, login()).message == "ssh:board refuses connections at port 2200."


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (REFUSED.format("gate", 2222), "refuses connections at port 2222."),
        ("Host key verification failed.\n", "has a host key that is not known here."),
        (
            "channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed\n",
            "does not reach 10.1.1.1 port 22: Connection refused.",
        ),
        (
            "channel 0: open failed: administratively prohibited: open failed\nstdio forwarding failed\n",
            "does not forward to 10.1.1.1 port 22.",
        ),
        (
            "jump@gate: Permission denied (password).\n",
            "does not let us in as jump: it asks for more than a key, or takes none (password).",
        ),
    ],
)
def test_what_keeps_us_at_the_jump_host(said, message, login):
    found = refusal(said + ENDED, login("ssh:far"))
    assert found.message == f"ssh:jump@gate:2222, the jump host of ssh:far, {message}"
    assert "10.1.1.1" not in found.hint and "pi@far" not in found.hint


def test_a_board_behind_a_jump_host_refuses_for_itself(login, keys):
    (keys / "key").touch()
    found = refusal("pi@10.1.1.1: Permission denied (publickey,password).\n", login("ssh:far"))
    assert found.message.startswith("ssh:far does not let us in as pi:")


def test_the_words_of_a_jump_host_are_asked_for_where_they_are_lost(login):
    """Where ssh shares its connection, it drops them: here the real ssh says them to a port where nothing listens."""
    found = refusal(ENDED, login(before="Host board\nProxyJump 127.0.0.1:1"))
    assert found.message == "ssh:127.0.0.1:1, the jump host of ssh:board, refuses connections at port 1."


def test_a_silent_way_is_not_put_down_to_the_jump_host(login):
    said = "Connection timed out during banner exchange\nConnection to UNKNOWN port 65535 timed out\n"
    message = "ssh:far cannot be reached by way of its jump host ssh:jump@gate:2222: Connection timed out during banner"
    assert refusal(said, login("ssh:far")).message.startswith(message)


def test_a_proxy_command_that_ends(login):
    found = refusal("sh: nc: not found\n" + ENDED, login(before="Host board\nProxyCommand nc %h %p"))
    way = "the ProxyCommand of your ssh configuration"
    assert found.message == f"ssh:board cannot be reached by way of {way}: sh: nc: not found."


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("", "ssh does not reach ssh:board: it gives no reason."),
        ("one\nsomething else.\n", "ssh does not reach ssh:board: something else."),
        ("\x1b[2J\x07" + "x" * 1000, f"ssh does not reach ssh:board: [2J{'x' * 297}."),
    ],
)
def test_what_is_not_known_is_quoted(said, message, login):
    assert known(said, login()) is None
    found = refusal(said, login())
    assert found.message == message and commands(found.hint) == [f"ssh {login().where}"]
