"""What goes wrong on a device is one clear sentence, and leaves nothing behind; other devices go on."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from device_tests.conftest import SHORT, reconnect
from device_tests.servers import ALIAS, ROOTS
from edgecompress.devices.address import Address, parse_address
from edgecompress.devices.connect import connect
from edgecompress.devices.store import clean, place
from edgecompress.devices.ways.socket_folder import PLACE, PREFIX
from edgecompress.devices.ways.ssh_login import PERSIST_S
from edgecompress.errors import DeviceError, DeviceGone
from edgecompress.pipeline.on_devices.profile import Extras, profile_files
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.plan import Plan
from edgecompress.testing.sample_files import endless, partly_delegated

LIMIT_S = 15
emulated = pytest.mark.emulated


@pytest.fixture
def small(tmp_path):
    return partly_delegated(tmp_path)


@pytest.fixture
def phone(fleet):
    return f"adb:{fleet.phone.serial}"


def processes(word):
    """Command lines of the living processes with a word in them, on devices, too: they are all on this machine."""
    found = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
            if any(word in part for part in line) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(line)
        except psutil.Error:
            continue
    return [line for line in found if not any(Path(part).name == "pytest" for part in line)]


def none_left(word, limit_s=LIMIT_S):
    """Whether every such process ends, within some seconds."""
    end = time.monotonic() + limit_s
    while left := processes(word):
        if time.monotonic() > end:
            return left
        time.sleep(0.1)
    return []


def one_sentence(error, *words):
    """Whether a person can read it: the words are there, and no traceback, no second line."""
    text = str(error.value)
    assert all(word in text for word in words), text
    assert "\n" not in text and "Traceback" not in text and len(text) < 400
    return True


def test_a_time_out_leaves_no_process(transport):
    with pytest.raises(DeviceError, match="within 1 s"):
        transport.run(["sleep", "7531"], timeout_s=1)
    assert none_left("7531") == []


def test_a_runner_that_hangs_is_ended(transport, tmp_path):
    """A model that never ends its first inference: the device's own limit ends it."""
    model = endless(tmp_path)
    with Bench(transport, Plan(**SHORT)) as bench, pytest.raises(DeviceError, match="took too long"):
        bench.open(model, threads=1, limit_s=3)
    assert none_left(model.name) == []


def test_closing_ends_a_runner_in_the_middle_of_its_work(transport, small):
    with Bench(transport, Plan(**SHORT)) as bench:
        session, _ = bench.open(small, threads=1)
        session._conversation.send("time 1 600")
        time.sleep(0.3)
    assert none_left(small.name) == []


def socket_folders():
    """The folders of the connections that ssh shares now."""
    words = [word for line in processes(f"ControlPath={PLACE}/{PREFIX}") for word in line]
    return {Path(word.partition("=")[2]).parent for word in words if word.startswith("-oControlPath=")}


ENDS = {signal.SIGINT: "Interrupted.", signal.SIGTERM: "Ended by SIGTERM.", signal.SIGHUP: "Ended by SIGHUP"}


@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
def test_a_command_that_is_ended_leaves_nothing_anywhere(device, small, number, tmp_path):
    """The command itself, while it measures."""
    (tmp_path / "scratch").mkdir()
    command = [sys.executable, "-m", "edgecompress", "profile", str(small), "--on", device, "--processes", "50"]
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path / "scratch")},
        preexec_fn=lambda: [signal.signal(each, signal.SIG_DFL) for each in ENDS],
    )
    end = time.monotonic() + 60
    while len(processes("edgecompress-runner")) < 1 and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(1)
    own, sockets = psutil.Process(child.pid).children(recursive=True), socket_folders()
    assert own and len(sockets) == device.startswith("ssh:")
    child.send_signal(number)
    _, said = child.communicate(timeout=120)
    assert child.returncode == 128 + number and ENDS[number] in said and "Traceback" not in said
    assert none_left("edgecompress-runner") == []
    assert not psutil.wait_procs(own, timeout=LIMIT_S)[1] and none_left(PREFIX) == []
    assert not any(folder.exists() for folder in sockets)
    assert not list((tmp_path / "scratch").iterdir())


@emulated
def test_what_a_killed_command_leaves_of_ssh_ends_by_itself(fleet, small):
    command = [sys.executable, "-m", "edgecompress", "profile", str(small), "--on", f"ssh:{ALIAS}", "--processes", "50"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while len(processes("edgecompress-runner")) < 1 and time.monotonic() < end:
        time.sleep(0.1)
    (left,) = socket_folders()
    child.kill()
    child.wait()
    assert none_left("edgecompress-runner") == []
    assert none_left(PREFIX, limit_s=PERSIST_S + LIMIT_S) == []
    with connect(parse_address(f"ssh:{ALIAS}")):
        assert not left.exists()


@contextmanager
def remounted(folder, options, undo):
    """A device's disk that is full, or cannot be written, for a while."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", f"remount,{undo}", str(folder)], check=True)


DISKS = {"full": ("size=300k", "size=50%", "is full"), "read-only": ("ro", "rw", "cannot be written")}


@pytest.mark.parametrize("disk", DISKS)
@emulated
def test_a_push_that_fails(phone, disk, tmp_path):
    options, undo, words = DISKS[disk]
    (tmp_path / "large").write_bytes(os.urandom(500_000))
    with connect(parse_address(phone)) as transport:
        clean(transport)
        with remounted(ROOTS / "phone/data/local/tmp", options, undo), pytest.raises(DeviceError) as error:
            place(transport, {"large": tmp_path / "large"})
        assert one_sentence(error, words, phone)
        where = place(transport, {"large": tmp_path / "large"})["large"]  # nothing half-written is taken for the file
        transport.pull(where, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()


@emulated
def test_a_push_that_is_cut_is_gone_on_with(fleet, phone, tmp_path):
    (tmp_path / "large").write_bytes(os.urandom(60 << 20))
    with connect(parse_address(phone)) as transport:
        clean(transport)
        fleet.phone.set_fault("cut-run")
        with suppress(DeviceGone):  # after a second, again and again; adb may have found it anew, or not
            place(transport, {"large": tmp_path / "large"})
        fleet.phone.set_fault("")
        reconnect(fleet.phone)
        told = []
        where = place(transport, {"large": tmp_path / "large"}, on_push=lambda *each: told.append(each))["large"]
        assert not told or told[0][1] > 0
        transport.pull(where, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()


@emulated
def test_a_device_unplugged_in_the_middle_of_a_run(fleet, phone, small):
    with connect(parse_address(phone)) as transport, Bench(transport, Plan(**SHORT)) as bench:
        session, _ = bench.open(small, threads=1)
        bench.close(session)
        fleet.phone.set_fault("cut-run")
        with pytest.raises(DeviceError) as error:
            session, _ = bench.open(small, threads=1)
            session.time_block(seconds=30)
        assert one_sentence(error, phone)
    fleet.phone.set_fault("")
    assert none_left("edgecompress-runner") == []


@pytest.mark.parametrize(("fault", "words"), [("unauthorized", "unauthorized"), ("offline", "offline")])
@emulated
def test_a_phone_that_does_not_talk_to_us(fleet, phone, fault, words, small):
    fleet.phone.set_fault(fault)
    threading.Thread(target=reconnect, args=[fleet.phone]).start()  # `adb connect` waits for such a phone
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        with pytest.raises(DeviceError) as error:
            profile_files([small], devices=[phone], plan=Plan(**SHORT))
        if words in str(error.value):
            break
        time.sleep(0.2)
    assert one_sentence(error, words, phone)


@emulated
def test_the_other_devices_measurements_are_kept(phone, small):
    with connect(parse_address(phone)) as transport:
        clean(transport)
    with remounted(ROOTS / "phone/data/local/tmp", "size=300k", "size=50%"):
        found = profile_files([small], devices=["local", phone, f"ssh:{ALIAS}"], plan=Plan(**SHORT))
    assert {each.device for each in found.measurements} == {"local", f"ssh:{ALIAS}"}
    assert [failure.device for failure in found.failures] == [phone] and "is full" in found.failures[0].message


@emulated
def test_two_phones_are_listed_when_one_is_meant(fleet, tmp_path):
    from device_tests.servers import adb_daemon, free_port

    with adb_daemon(tmp_path / "second", ROOTS / "phone", port=free_port()) as second:
        reconnect(second)
        with pytest.raises(DeviceError) as error:
            connect(Address("adb"))
        assert one_sentence(error, "2 Android devices", fleet.phone.serial, second.serial)
        subprocess.run(["adb", "disconnect", second.serial], capture_output=True, timeout=20)
    with connect(Address("adb")) as transport:
        assert transport.address == Address("adb", fleet.phone.serial)


@emulated
def test_a_phone_that_is_not_there(fleet):
    with connect(parse_address("adb:NOSUCH")) as transport, pytest.raises(DeviceError) as error:
        transport.run(["true"], timeout_s=10)
    assert one_sentence(error, "adb:NOSUCH is not connected")


def other_known_hosts(fleet, tmp_path, known_hosts):
    """A client's configuration with other known hosts."""
    text = fleet.pi.config.read_text().replace(str(fleet.pi.known_hosts), str(known_hosts))
    (tmp_path / "config").write_text(text)
    return str(tmp_path / "config")


@pytest.mark.parametrize("known", ["wrong", "none"])
@emulated
def test_a_host_key_that_is_not_known(fleet, known, tmp_path, monkeypatch):
    hosts = fleet.pi.wrong_known_hosts if known == "wrong" else tmp_path / "nothing"
    monkeypatch.setenv("EDGECOMPRESS_SSH_CONFIG", other_known_hosts(fleet, tmp_path, hosts))
    with connect(parse_address(f"ssh:{ALIAS}")) as transport, pytest.raises(DeviceError) as error:
        transport.run(["true"], timeout_s=10)
    meaning = "has another host key than before" if known == "wrong" else "has a host key that is not known here"
    assert one_sentence(error, f"ssh:{ALIAS} {meaning}", "by hand", f"root@{ALIAS}")


@emulated
def test_a_board_that_does_not_let_us_in(fleet, tmp_path, monkeypatch):
    text = fleet.pi.config.read_text().replace(str(fleet.pi.identity), str(tmp_path / "nothing"))
    (tmp_path / "config").write_text(text)
    monkeypatch.setenv("EDGECOMPRESS_SSH_CONFIG", str(tmp_path / "config"))
    with connect(parse_address(f"ssh:{ALIAS}")) as transport, pytest.raises(DeviceError) as error:
        transport.run(["true"], timeout_s=10)
    assert one_sentence(error, "does not let us in as root: the key", "is not there", "ssh-keygen -t ed25519 -f")


@emulated
def test_a_board_whose_folder_is_read_only(fleet, small):
    with connect(parse_address(f"ssh:{ALIAS}")) as transport:
        clean(transport)
        with remounted(ROOTS / "pi/root", "ro", "rw"):
            with pytest.raises(DeviceError) as error:
                place(transport, {"model.tflite": small})
            with connect(parse_address(f"ssh:{ALIAS}")) as another:  # which looks for a folder anew
                assert place(another, {"model.tflite": small})["model.tflite"].startswith("/tmp/edgecompress-0/v1/")
        assert clean(transport) > 0 == clean(transport)  # there, too, where files would not be put now
        assert not list((ROOTS / "pi/tmp").glob("edgecompress-*"))
    assert one_sentence(error, "cannot be written", "Read-only")


@emulated
def test_a_board_whose_disk_is_full(fleet, small, tmp_path):
    (tmp_path / "large").write_bytes(os.urandom(3 << 20))
    with connect(parse_address(f"ssh:{ALIAS}")) as transport:
        clean(transport)
        with remounted(ROOTS / "pi/root", "size=1m", "size=50%"), pytest.raises(DeviceError) as error:
            place(transport, {"model.tflite": tmp_path / "large"})
    assert one_sentence(error, "is full")


@emulated
def test_benchmark_model_without_taskset(fleet, small, tmp_path):
    """Nothing but that tool needs `taskset`: our runners keep to cores by themselves."""
    (tmp_path / "benchmark_model").write_bytes(b"#!/bin/sh\n")
    extras = Extras(benchmark_model=tmp_path / "benchmark_model")
    tool = ROOTS / "pi/usr/bin/taskset"
    moved = tool.rename(tool.with_name("taskset.away"))
    try:
        with pytest.raises(DeviceError) as error:
            profile_files([small], devices=[f"ssh:{ALIAS}"], plan=Plan(cores="1", **SHORT), extras=extras)
    finally:
        moved.rename(tool)
    assert one_sentence(error, "no `taskset`", "--cores all")


def test_devices_lists_it(device, capsys, monkeypatch):
    from edgecompress.profiling.readiness.inventory import inventory

    entries = {entry.device: entry for entry in inventory()}
    if device.startswith("ssh:"):
        pytest.skip("a board is listed when it is configured; see devices/configured_test.py")
    assert entries[device].ready and entries[device].info.machine
    assert Path(entries[device].info.kernel).name
