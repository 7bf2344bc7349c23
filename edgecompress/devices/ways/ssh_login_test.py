import os
import pwd
import subprocess
from pathlib import Path

import pytest

from edgecompress.devices.address import parse_address
from edgecompress.devices.ways.ssh_login import read_login
from edgecompress.errors import DeviceError


def test_the_user_s_configuration_says_who_and_where(login):
    found = login()
    assert (found.user, found.host, found.port) == ("pi", "10.0.0.2", 2200)
    assert found.known_as == "[10.0.0.2]:2200" and found.name == "ssh:board" and found.jump is None
    assert found.where == f"-F {found.config} -p 2200 pi@board"


def test_the_address_comes_before_the_configuration(login):
    found = login("ssh:other@board:22")
    assert (found.user, found.host, found.port, found.known_as) == ("other", "10.0.0.2", 22, "10.0.0.2")


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("ssh:pi@[fe80::1%eth0]:2222", "-p 2222 pi@fe80::1%eth0"),
        ("ssh:DOM\\user@host", "-p 22 'DOM\\user@host'"),
        ("ssh:user@realm.org@host", "-p 22 user@realm.org@host"),
        ("ssh:1digit@host", "-p 22 1digit@host"),
    ],
)
def test_what_is_typed_for_users_and_addresses_of_all_kinds(address, where, login):
    assert login(address).where.endswith(where)


def test_a_name_among_known_hosts(login):
    assert login(before="HostKeyAlias theboard").known_as == "theboard"
    assert not login(before="StrictHostKeyChecking yes").asks_for_unknown_hosts
    assert login(before="StrictHostKeyChecking accept-new").asks_for_unknown_hosts


def test_files_of_keys(login, keys):
    before = f"IdentityFile {keys}/%u-%r-%h-%p-%n-%%-%x\nIdentityFile ~/k\nIdentityFile %d/k2\nIdentityFile none"
    first, second, third, last = login(before=before).keys
    assert first.name.endswith("-pi-10.0.0.2-2200-board-%-%x") and last == keys / "key"
    assert second.parent == third.parent == Path(pwd.getpwuid(os.getuid()).pw_dir)


def test_the_jump_host_is_a_login_of_its_own(login):
    jump = login("ssh:far").jump
    assert (jump.user, jump.host, jump.port) == ("jump", "gate", 2222)
    assert jump.name == "ssh:jump@gate:2222, the jump host of ssh:far," and jump.jump is None


def test_the_last_of_several_jump_hosts_lies_behind_the_others(login):
    jump = login(before="Host board\nProxyJump a@first,ssh://second:2222,[fd00::1]:22").jump
    assert str(jump.address) == "ssh:[fd00::1]:22" and str(jump.jump.address) == "ssh:second:2222"
    assert jump.jump.jump.name == "ssh:a@first, the jump host of ssh:board,"


def test_the_user_s_policies_are_not_overruled(login):
    options = " ".join(login().options("/tmp/socket"))
    assert "StrictHostKeyChecking" not in options and "ConnectTimeout=10" in options
    assert "RemoteCommand=none" in options and "SessionType=default" in options  # which ssh has since 8.7
    assert "ConnectTimeout" not in " ".join(login(before="ConnectTimeout 3").options("/tmp/socket"))


def test_the_client_takes_our_options(login):
    found = login(before="Match host 10.0.0.2\nRemoteCommand tmux\nRequestTTY force\nHost board")
    command = ["ssh", *found.options("/tmp/socket"), "-G", "board"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"requesttty false", "batchmode yes", "controlpath /tmp/socket", "compression yes"} <= set(listed)
    assert not [line for line in listed if line.startswith("remotecommand") and "none" not in line]


def test_another_configuration_of_the_environment(login, monkeypatch):
    monkeypatch.setenv("EDGECOMPRESS_SSH_CONFIG", login().config)
    assert read_login(parse_address("ssh:board")).user == "pi"


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("Hosst board", r"/config: line 1: Bad configuration option: hosst\. Correct it"),
        ("Port many", r"/config line 1: Bad \w+ 'many'\."),
    ],
)
def test_a_configuration_that_ssh_refuses_is_told_in_its_words(before, words, login):
    with pytest.raises(DeviceError, match=rf"^ssh does not take its configuration for ssh:board: /.*{words}"):
        login(before=before)


def test_a_configuration_that_is_not_there():
    with pytest.raises(DeviceError, match=r"Can't open user config file /no/config: No such file"):
        read_login(parse_address("ssh:board"), config="/no/config")


def test_a_connection_of_the_user_s_is_none_where_no_server_of_it_runs(login, tmp_path):
    assert not login(before=f"ControlPath {tmp_path}/%C").has_master and not login().has_master
