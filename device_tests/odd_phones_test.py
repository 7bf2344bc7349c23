"""Phones, and adb's ways to lose them."""

import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from device_tests.adb_imposter import old_server
from device_tests.cases import Case, commands_in, measure, parameters, refused, see
from device_tests.conftest import Fleet, reconnect
from device_tests.servers import HOST, ROOTS, adb_daemon, free_port
from edgecompress.devices.address import parse_address
from edgecompress.profiling import bench

WIRELESS = "adb-R5CT10-x1 (2)._adb-tls-connect._tcp"
TMP, OTHER = ROOTS / "phone/data/local/tmp", ROOTS / "phone/data/local"
# An adb to which a phone on the loopback address has the serial of a wireless one, which only a network could give it.
RENAMING = """#!/bin/sh
if [ "$1" = devices ]; then {adb} "$@" | sed 's/^{serial} /{wireless} /'; exit; fi
[ "$1" = -s ] && [ "$2" = '{wireless}' ] && shift 2 && exec {adb} -s {serial} "$@"
exec {adb} "$@"
"""


@dataclass(frozen=True)
class Phone:
    """The emulated phone, and what a case has done to it and to adb, which is undone by `undo`."""

    fleet: Fleet
    folder: Path
    patch: pytest.MonkeyPatch
    undo: ExitStack = field(default_factory=ExitStack)

    @property
    def serial(self) -> str:
        return self.fleet.phone.serial

    @property
    def address(self) -> str:
        return f"adb:{self.serial}"

    def fail(self, fault: str) -> None:
        """Have it meet a fault, and be plugged in anew; adb waits for some of them for ever."""
        self.fleet.phone.set_fault(fault)
        self.undo.callback(self.fleet.phone.set_fault, "")
        adb("disconnect", self.serial)
        subprocess.run(["timeout", "2", "adb", "connect", self.serial], capture_output=True)


@dataclass(frozen=True)
class Attached(Case):
    """A case of the phone's or of adb's making; `setup` returns what the user calls it, if it is called otherwise."""

    setup: Callable[[Phone], str | None] = lambda phone: None


def adb(*words):
    return subprocess.run(["adb", *words], capture_output=True, text=True, timeout=20)


def fault(name):
    return lambda phone: phone.fail(name)


def second_phone(phone):
    other = phone.undo.enter_context(adb_daemon(phone.folder / "second", ROOTS / "phone", port=free_port()))
    adb("connect", other.serial)
    phone.undo.callback(adb, "disconnect", other.serial)
    return "adb"


def second_name(phone):
    other = phone.serial.replace(HOST, "localhost")
    adb("connect", other)
    phone.undo.callback(adb, "disconnect", other)
    return "adb"


def name_it(phone, hint):
    assert f"adb:{phone.serial} (" in hint and "set ANDROID_SERIAL" in hint
    phone.patch.setenv("ANDROID_SERIAL", phone.serial)
    return "adb"


def take_other_name(phone, hint):
    found = f"adb:{phone.serial.replace(HOST, 'localhost')}"
    assert found in hint
    return found


def named_by_environment(phone):
    second_phone(phone)
    phone.patch.setenv("ANDROID_SERIAL", phone.serial)
    return "adb"


def own_server(phone):
    """A port for adb's server, at which none runs yet: a client starts it."""
    port = free_port()
    phone.patch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
    phone.undo.callback(adb, "kill-server")
    return port


def server_that_starts(phone):
    own_server(phone)
    return "adb"


def server_of_another_version(phone):
    phone.undo.enter_context(old_server(own_server(phone)))


def plug_in(phone, hint):
    """What a phone on USB does by itself when adb looks."""
    adb("connect", phone.serial)


def use_one_adb(phone, hint):
    assert "Another adb (of version 39" in hint and "Use one adb" in hint  # the other is gone: ours has ended it
    adb("connect", phone.serial)


def remount(phone, options, *, folder=TMP):
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def no_exec(phone):
    remount(phone, "noexec")
    phone.undo.callback(remount, phone, "exec")


def another_folder(phone, hint):
    assert commands_in(hint) == ["--device-folder /PATH"]
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(OTHER)], check=True)
    phone.undo.callback(subprocess.run, ["umount", "--lazy", str(OTHER)], check=True)
    return parse_address(phone.address).using(folder="/data/local")


def serial_of_a_wireless_phone(phone):
    text = RENAMING.format(adb="/usr/bin/adb", serial=phone.serial, wireless=WIRELESS)
    (phone.folder / "adb").write_text(text)
    (phone.folder / "adb").chmod(0o755)
    phone.patch.setenv("PATH", str(phone.folder), prepend=":")
    return f"adb:{WIRELESS}"


def repaired(*words):
    def remedy(phone, hint):
        assert all(word in hint for word in words), hint
        phone.fleet.phone.set_fault("")
        reconnect(phone.fleet.phone)

    return remedy


CASES = (
    Attached("one of two phones that ANDROID_SERIAL names", "phone", setup=named_by_environment),
    Attached("two phones", "phone", ("2 Android devices are connected",), name_it, setup=second_phone),
    Attached("one phone by two names", "phone", ("2 Android devices",), take_other_name, setup=second_name),
    Attached(
        *("an adb whose server has yet to start", "phone", ("No Android device is connected",), plug_in),
        setup=server_that_starts,
    ),
    Attached(
        *("a server of another version", "phone", ("is not connected",), use_one_adb),
        setup=server_of_another_version,
    ),
    Attached(
        *("Android before 7", "phone", ("runs Android before 7",), repaired("Android 7 and later can")),
        setup=fault("old"),
    ),
    Attached(
        *("a folder from which nothing may be executed", "phone", ("has no folder for our files",), another_folder),
        setup=no_exec,
    ),
    Attached(
        *("a phone that is not allowed", "phone", ("is unauthorized",), repaired("allow USB debugging")),
        setup=fault("unauthorized"),
    ),
    Attached(
        *("a phone that does not answer", "phone", ("is offline",), repaired("Reconnect the cable")),
        setup=fault("offline"),
    ),
    Attached("a serial with blanks and parentheses", "phone", setup=serial_of_a_wireless_phone),
)


@pytest.fixture
def phone(fleet, tmp_path, monkeypatch):
    found = Phone(fleet, tmp_path, monkeypatch)
    with found.undo:
        yield found


def once_it_measures(phone, fault):
    """Have the phone meet a fault in the middle of a measurement, once: what is repeated then goes on."""
    faults = [fault]

    def on_progress(what, done, total):
        if faults and what.startswith(phone.address) and done:
            phone.fleet.phone.set_fault(faults.pop())

    return on_progress


def test_a_phone_that_is_lost_in_a_measurement(phone, small_model, monkeypatch):
    monkeypatch.setattr(bench, "REJOIN_S", 1.0)
    hint = refused(phone.address, small_model, phone.address, on_progress=once_it_measures(phone, "gone"))
    assert "Reconnect the cable" in hint or "Is it still connected?" in hint  # as adb has noticed, or not yet
    repaired()(phone, hint)
    assert measure(phone.address, small_model).steady.count >= 5


def test_a_phone_that_starts_anew_in_a_measurement(phone, small_model):
    """Its cable stays where it is: adb's server finds it again."""
    measure(phone.address, small_model)  # so that all is pushed
    found = measure(phone.address, small_model, on_progress=once_it_measures(phone, "reboot"))
    assert "went away" in " ".join(found.conditions["notes"])


STATES = {
    "hot": ("thermalservice", "Thermal Status: 0", "Thermal Status: 3", "Android's thermal status is 3"),
    "asleep": ("power", "mWakefulness=Awake", "mWakefulness=Asleep", "the screen was off"),
    "saving": ("power", "mLowPowerModeEnabled=false", "mLowPowerModeEnabled=true", "the battery saver was on"),
}


@pytest.mark.parametrize("state", STATES)
def test_a_phone_in_a_bad_state_is_told_of_until_it_is_over(state, phone, small_model):
    service, usual, bad, words = STATES[state]
    file = ROOTS / "phone/system/etc/dumpsys" / service
    (phone.folder / service).write_text(file.read_text().replace(usual, bad))
    subprocess.run(["mount", "--bind", str(phone.folder / service), str(file)], check=True)
    with phone.undo:
        phone.undo.callback(subprocess.run, ["umount", str(file)], check=True)
        assert words in measure(phone.address, small_model).invalid
    assert words not in measure(phone.address, small_model).invalid


@pytest.mark.parametrize("case", parameters(CASES))
def test_a_phone(case, phone, small_model):
    see(case, phone, small_model, None, case.setup(phone) or "")
