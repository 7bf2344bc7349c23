import subprocess
import time

import psutil
import pytest

from device_tests.machines import write_machine
from device_tests.rootfs import PROPERTIES
from device_tests.servers import (
    ALIAS,
    CHECKOUT,
    NAMESPACE_MARK,
    ROOTS,
    SERVER_MARK,
    adb_daemon,
    adb_environment,
    adb_server,
    bind_machine,
    free_port,
    ssh_server,
)
from edgecompress.errors import DeviceError

AWKWARD = "it's a $(touch x) name"
PHONE_FOLDER = "/data/local/tmp"
LIMIT_S = 60


@pytest.fixture
def roots(machines):
    return ROOTS


@pytest.fixture(scope="module")
def adb(tmp_path_factory):
    environment = adb_environment(tmp_path_factory.mktemp("adb"))

    def run(*arguments, **options):
        options = {"env": environment, "capture_output": True, "text": True, "timeout": LIMIT_S} | options
        return subprocess.run(["adb", *arguments], **options)

    with adb_server(environment):
        yield run


@pytest.fixture
def daemon(roots, adb, tmp_path):
    with adb_daemon(tmp_path / "adbd", roots / "phone", port=free_port()) as device:
        assert "connected to" in adb("connect", device.serial).stdout
        yield device
        adb("disconnect", device.serial)


@pytest.fixture
def phone(daemon, adb):
    return lambda *arguments, **options: adb("-s", daemon.serial, *arguments, **options)


@pytest.fixture
def sshd(roots, tmp_path):
    with ssh_server(tmp_path / "sshd", roots / "pi", port=free_port()) as server:
        yield server


@pytest.fixture
def payload(tmp_path):
    path = tmp_path / AWKWARD
    path.write_bytes(bytes(range(250)) * 1200)
    return path


def ssh(server, *arguments, **options):
    strict = ("-F", str(server.config), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes")
    program, *rest = arguments
    return subprocess.run([program, *strict, *rest], capture_output=True, text=True, timeout=LIMIT_S, **options)


def running(text):
    """The processes that have `text` among their arguments."""
    found = []
    for process in psutil.process_iter():
        try:
            if text in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def eventually(condition):
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def state(adb, device):
    for line in adb("devices").stdout.splitlines():
        if line.startswith(device.serial):
            return line.split("\t")[1]
    return "absent"


def test_a_phone_has_three_clocks_and_a_raspberry_pi_one(tmp_path):
    for kind, clusters in (("pi4", ["0 1 2 3"]), ("phone", ["0 1 2 3", "4 5 6", "7"])):
        write_machine(tmp_path / kind, kind)
        processors = tmp_path / kind / "sys/devices/system/cpu"
        policies = sorted((processors / "cpufreq").glob("policy*"))
        assert [(policy / "related_cpus").read_text().strip() for policy in policies] == clusters
        last = processors / f"cpu{clusters[-1][-1]}"
        assert (last / "cpufreq").resolve() == policies[-1]
        assert (last / "cpu_capacity").read_text() == "1024\n"


def test_nothing_is_mounted_outside_of_a_namespace(tmp_path, monkeypatch):
    monkeypatch.delenv(NAMESPACE_MARK, raising=False)
    with pytest.raises(DeviceError, match="namespace"):
        bind_machine(tmp_path, tmp_path)


def test_a_phones_shell_keeps_streams_and_exit_code_apart(phone):
    done = phone("shell", "uname -m; echo wrong >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("aarch64\n", "wrong\n", 7)
    assert phone("shell", "kill -9 $$").returncode == 128 + 9


def test_a_phones_shell_reads_its_input_to_the_end(phone):
    text = "line\n" * 30_000
    assert phone("shell", "cat; echo end", input=text).stdout == text + "end\n"


def test_the_older_shell_merges_the_streams(phone):
    done = phone("shell", "-x", "echo right; echo wrong >&2")
    assert done.stdout == "right\nwrong\n"
    assert phone("exec-out", "printf 'a\\nb'").stdout == "a\nb"


def test_a_phone_answers_as_android_does(phone):
    assert phone("shell", "getprop ro.product.model").stdout.strip() == PROPERTIES["ro.product.model"]
    assert "[ro.build.version.sdk]: [34]" in phone("shell", "getprop").stdout.splitlines()
    assert phone("shell", "getprop no.such.key").stdout == "\n"
    assert "  level: 83" in phone("shell", "dumpsys battery").stdout.splitlines()
    assert "mWakefulness=Awake" in phone("shell", "dumpsys power").stdout
    assert "Thermal Status: 0" in phone("shell", "dumpsys thermalservice").stdout
    phone("shell", "cmd power set-fixed-performance-mode-enabled true; svc power stayon usb")
    calls = phone("shell", f"cat {PHONE_FOLDER}/.calls").stdout.splitlines()
    assert calls[-2:] == ["cmd power set-fixed-performance-mode-enabled true", "svc power stayon usb"]
    assert phone("shell", "id -un").stdout == "shell\n"


def test_a_phone_is_the_machine_that_was_written(phone):
    assert phone("shell", "cat /sys/devices/system/cpu/cpu5/cpufreq/related_cpus").stdout == "4 5 6\n"
    assert phone("shell", "grep -c asimddp /proc/cpuinfo").stdout == "8\n"
    assert phone("shell", "echo performance > /sys/devices/system/cpu/cpufreq/policy0/scaling_governor").returncode != 0


def test_a_file_to_the_phone_and_back(phone, payload, tmp_path):
    remote = f"{PHONE_FOLDER}/new folder/{AWKWARD}"
    assert phone("push", str(payload), remote).returncode == 0
    assert phone("pull", remote, str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == payload.read_bytes()
    assert AWKWARD in phone("ls", f"{PHONE_FOLDER}/new folder").stdout
    missing = phone("pull", "/none", str(tmp_path / "none"))
    assert missing.returncode != 0 and "/none" in missing.stdout + missing.stderr


@pytest.mark.parametrize(
    ("fault", "words"), [("full-disk", "No space left on device"), ("read-only", "Read-only file system")]
)
def test_a_phone_that_takes_no_file(phone, daemon, payload, fault, words):
    remote = f"{PHONE_FOLDER}/{fault}"
    daemon.set_fault(fault)
    refused = phone("push", str(payload), remote)
    assert refused.returncode != 0 and words in refused.stdout + refused.stderr
    assert phone("shell", f"ls {remote}").returncode != 0
    daemon.set_fault("")
    assert phone("push", str(payload), remote).returncode == 0


def test_a_connection_cut_while_a_file_is_sent(phone, daemon, payload, adb):
    daemon.set_fault("cut-push")
    cut = phone("push", str(payload), f"{PHONE_FOLDER}/cut")
    assert cut.returncode != 0 and "adb: error" in cut.stdout + cut.stderr
    daemon.set_fault("")
    assert eventually(lambda: "connected to" in adb("connect", daemon.serial).stdout and state(adb, daemon) == "device")
    assert phone("shell", f"ls {PHONE_FOLDER}/cut").returncode != 0


def test_a_connection_cut_while_a_command_runs(phone, daemon):
    daemon.set_fault("cut-run")
    cut = phone("shell", "echo begun; sleep 4321; echo ended")  # of the exit code, adb's versions think differently
    assert cut.stdout == "begun\n"
    assert eventually(lambda: not running("4321"))


def test_a_phone_that_was_never_allowed(roots, adb, tmp_path):
    with adb_daemon(tmp_path, roots / "phone", port=free_port(), fault="unauthorized") as device:
        adb("connect", device.serial)
        assert eventually(lambda: state(adb, device) == "unauthorized")
        refused = adb("-s", device.serial, "shell", "true")
        assert refused.returncode != 0 and "device unauthorized" in refused.stderr
        adb("disconnect", device.serial)


def test_a_phone_that_asks_for_a_key_once(roots, adb, tmp_path):
    with adb_daemon(tmp_path, roots / "phone", port=free_port(), auth=True) as device:
        for _ in range(2):
            adb("connect", device.serial)
            assert eventually(lambda: state(adb, device) == "device")
            assert adb("-s", device.serial, "shell", "echo in").stdout == "in\n"
            adb("disconnect", device.serial)
    assert len((tmp_path / "adb_keys").read_text().splitlines()) == 1


def test_a_phone_that_does_not_answer(roots, adb, tmp_path):
    with adb_daemon(tmp_path, roots / "phone", port=free_port(), fault="offline") as device:
        with pytest.raises(subprocess.TimeoutExpired):  # it waits for ten seconds
            adb("connect", device.serial, timeout=1)
        assert state(adb, device) == "offline"
        refused = adb("-s", device.serial, "shell", "true")
        assert refused.returncode != 0 and "device offline" in refused.stderr
        adb("disconnect", device.serial)


def test_a_command_ends_when_its_client_does(phone):
    with pytest.raises(subprocess.TimeoutExpired):
        phone("shell", "sleep 5432 & sleep 5432", timeout=1)
    assert eventually(lambda: not running("5432"))


def test_nothing_outlives_a_daemon(roots, adb, tmp_path):
    with adb_daemon(tmp_path, roots / "phone", port=free_port()) as device:
        adb("connect", device.serial)
        adb("-s", device.serial, "shell", "setsid sleep 6543 >/dev/null 2>&1 </dev/null &")
        assert eventually(lambda: running("6543"))
    assert not running("6543")


def test_a_command_and_a_file_by_ssh(sshd, payload, tmp_path):
    done = ssh(sshd, "ssh", ALIAS, "uname -m; grep -c asimddp /proc/cpuinfo; taskset -p $$ >/dev/null && exit 7")
    assert (done.stdout, done.returncode) == ("aarch64\n0\n", 7)
    tools = "ldd /bin/sed && getconf GNU_LIBC_VERSION && ps -e && find /tmp && sha256sum /bin/sh && echo | awk 1"
    done = ssh(
        sshd, "ssh", ALIAS, f"for tool in timeout stat nproc; do $tool --version || exit; done >/dev/null; {tools}"
    )
    assert done.returncode == 0, done.stderr
    assert ssh(sshd, "scp", "-q", str(payload), f"{ALIAS}:/tmp/").returncode == 0
    assert ssh(sshd, "scp", "-q", f"{ALIAS}:/tmp/{AWKWARD}", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == payload.read_bytes()


def test_a_raspberry_pi_4_has_no_dot_product(sshd):
    features = ssh(sshd, "ssh", ALIAS, "LD_SHOW_AUXV=1 /bin/true | grep AT_HWCAP:").stdout
    assert int(features.split()[-1], 16) >> 20 & 1 == 0  # HWCAP_ASIMDDP, which QEMU's own processor has


def test_the_wrong_host_key_is_refused(sshd):
    refused = ssh(sshd, "ssh", "-o", f"UserKnownHostsFile={sshd.wrong_known_hosts}", ALIAS, "true")
    assert refused.returncode == 255 and "Host key verification failed" in refused.stderr


def test_this_machine_by_ssh(roots, tmp_path):
    with ssh_server(tmp_path, None, port=free_port()) as server:
        assert ssh(server, "ssh", ALIAS, f"echo ${SERVER_MARK}; cat {CHECKOUT}/pyproject.toml").stdout.startswith(
            f"{server.port}\n[build-system]"
        )


def test_nothing_outlives_an_sshd(roots, tmp_path):
    with ssh_server(tmp_path, roots / "pi", port=free_port()) as server:
        assert ssh(server, "ssh", ALIAS, "setsid sleep 7654 >/dev/null 2>&1 </dev/null &").returncode == 0
        command = ["ssh", "-F", str(server.config), "-o", "BatchMode=yes", ALIAS, "sleep 7654"]
        client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert eventually(lambda: len(running("7654")) >= 2)
    assert client.wait(LIMIT_S) == 255
    assert not running("7654")


def test_a_server_that_does_not_start_says_why(roots, tmp_path):
    port = free_port()
    with (
        adb_daemon(tmp_path / "first", roots / "phone", port=port),
        pytest.raises(DeviceError, match="in use"),
        adb_daemon(tmp_path / "second", roots / "phone", port=port),
    ):
        pass
