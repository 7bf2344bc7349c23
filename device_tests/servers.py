"""Servers of emulated devices on the loopback address: a real sshd, and our adbd with the real adb's server.

`python -m device_tests.servers COMMAND...` makes the root file systems and the programs, then runs the command where
servers may run: in a private namespace, whose mounts, network and processes vanish with it, and from which nothing can
be fetched.
"""

from __future__ import annotations

import getpass
import os
import platform
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from device_tests.adbd.device import FAULTS
from device_tests.rootfs import PROPERTIES, enable_emulation, make_roots, run_tool
from device_tests.userlands import make_userlands
from device_tests.variants import make_variants
from edgecompress.errors import DeviceError
from edgecompress.native.build import MACHINES, build_instruction_counter, build_runner
from edgecompress.native.libraries import LIBRARIES, library_file

HOST = "127.0.0.1"
ALIAS = "emulated-pi"
CHECKOUT = Path(__file__).resolve().parent.parent
BUILD = CHECKOUT / "build"
ROOTS = BUILD / "device_roots"
VARIANTS = BUILD / "device_variants"
USERLANDS = BUILD / "device_userlands"
NAMESPACE_MARK = "DEVICE_TESTS_NAMESPACE"
SERVER_MARK = "DEVICE_TESTS_SERVER"  # in the environment of a server and of everything that it starts
# QEMU's own variable: the processor that programs run on has then the features that /proc/cpuinfo lists.
PI_PROCESSOR = "cortex-a72"
PHONE_PROCESSOR = "cortex-a76"
# What a device has for its programs to write to, and loses when it is switched off.
SCRATCH_MODES = {"tmp": "1777", "root": "0700", "data/local/tmp": "1777"}
START_LIMIT_S = 15.0
STOP_LIMIT_S = 5.0
_LISTENING = f"Server listening on {HOST}"  # in sshd's log, each time that it begins
INSTALL_HINT = "Run as root: apt-get install adb openssh-server openssh-client iproute2, with CAP_SYS_ADMIN."


@dataclass(frozen=True)
class SshServer:
    """Where a running sshd is, and the files for its client; `config` has the host `emulated-pi`."""

    host: str
    port: int
    user: str
    identity: Path
    known_hosts: Path
    wrong_known_hosts: Path
    config: Path
    settings: Path  # of the server
    pid: int

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.settings.with_name("sshd.log")

    def reload(self) -> None:
        """Have the server read its settings anew, and wait until it has."""
        listening = self.log.read_text().count(_LISTENING)
        os.kill(self.pid, signal.SIGHUP)
        end = time.monotonic() + START_LIMIT_S
        while self.log.read_text().count(_LISTENING) == listening and time.monotonic() < end:
            time.sleep(0.02)


@dataclass(frozen=True)
class AdbDevice:
    """A running adbd, as `adb connect` names it."""

    serial: str
    fault_file: Path

    def set_fault(self, fault: str) -> None:
        """Have the requests from now on meet `fault`, one of `FAULTS`."""
        if fault not in FAULTS:
            raise ValueError(f"{fault!r} is none of {FAULTS}")
        self.fault_file.write_text(fault)


def enter_namespace_command(argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` in mount, network and process namespaces of its own, with the loopback up."""
    # The shell stays, as the namespace's first process: it takes in the orphans, and passes on the exit code.
    script = f'ip link set lo up && {NAMESPACE_MARK}=1 "$@"; exit $?'
    unshare = ["unshare", "-m", "-n", "-p", "-f", "--kill-child", "--propagation", "private", "--mount-proc"]
    return [*unshare, "sh", "-c", script, "sh", *argv]


def prepare_programs() -> None:
    """Build and fetch what runs on devices, while the package index can be reached."""
    for library in LIBRARIES:
        library_file(library)
    for machine in MACHINES:
        build_runner(machine)
    build_instruction_counter(platform.machine())


def in_namespace() -> bool:
    """Whether this process was started by `enter_namespace_command`."""
    return NAMESPACE_MARK in os.environ


def bind_machine(root: Path, machine_folder: Path) -> None:
    """Give `root` a /proc, a machine's /proc/cpuinfo and /sys, and empty folders for temporary files."""
    _require_namespace(root)
    _run("mount", "-t", "proc", "proc", str(root / "proc"))
    _run("mount", "--bind", str(machine_folder / "cpuinfo"), str(root / "proc/cpuinfo"))
    _run("mount", "--bind", str(machine_folder / "sys"), str(root / "sys"))
    for path, mode in SCRATCH_MODES.items():
        if (root / path).is_dir():
            _run("mount", "-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", str(root / path))


@contextmanager
def ssh_server(folder: Path, root: Path | None, *, port: int, more: str = "") -> Iterator[SshServer]:
    """Run sshd with its keys and its log in `folder`; clients get into `root`, or onto this machine if it is None.

    `more` are lines of sshd's own, which come last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("host_key", "identity", "wrong_key"):
        for old in (folder / name, folder / f"{name}.pub"):
            old.unlink(missing_ok=True)
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name))
    about = partial(
        SshServer,
        host=HOST,
        port=port,
        user=getpass.getuser(),
        identity=folder / "identity",
        known_hosts=folder / "known_hosts",
        wrong_known_hosts=folder / "wrong_known_hosts",
        config=folder / "ssh_config",
        settings=folder / "sshd_config",
    )
    (folder / "known_hosts").write_text(f"[{HOST}]:{port} {(folder / 'host_key.pub').read_text()}")
    (folder / "wrong_known_hosts").write_text(f"[{HOST}]:{port} {(folder / 'wrong_key.pub').read_text()}")
    shutil.copy(folder / "identity.pub", folder / "authorized_keys")
    # sshd wants this folder for itself; only root may write to it, so that it is a safe place for a root, too.
    privileged = Path("/run/sshd")
    privileged.mkdir(mode=0o755, exist_ok=True)
    with _mounted(root, privileged / str(port)) as chroot:
        (folder / "sshd_config").write_text(_server_config(folder, port, chroot) + more)
        # By its whole path, without which sshd does not start.
        program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "/usr/sbin/sshd"
        command = [program, "-D", "-e", "-f", str(folder / "sshd_config")]
        with running(command, log=folder / "sshd.log", port=port) as process:
            server = about(pid=process.pid)
            server.config.write_text(_client_config(server))
            yield server


@contextmanager
def adb_daemon(folder: Path, root: Path, *, port: int, fault: str = "", auth: bool = False) -> Iterator[AdbDevice]:
    """Run our adbd in `root`; with `auth` a client must prove its key, and the owner allows any that is new."""
    folder.mkdir(parents=True, exist_ok=True)
    device = AdbDevice(f"{HOST}:{port}", folder / "fault")
    device.set_fault(fault)
    command = [sys.executable, "-m", "device_tests.adbd", "--root", str(root), "--port", str(port)]
    command += ["--fault-file", str(device.fault_file), "--model", PROPERTIES["ro.product.model"].replace(" ", "_")]
    if auth:
        (folder / "adb_keys").touch()
        command += ["--key-file", str(folder / "adb_keys")]
    environment = os.environ | {"QEMU_CPU": PHONE_PROCESSOR}
    with running(command, log=folder / "adbd.log", port=port, environment=environment):
        yield device


def adb_environment(folder: Path) -> dict[str, str]:
    """The variables for an adb of its own: its keys below `folder`, a free port, and no search for other devices."""
    home = folder / "home"
    (home / ".android").mkdir(parents=True, exist_ok=True)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ADB_", "ANDROID_"))}
    return kept | {
        "HOME": str(home),
        "ANDROID_USER_HOME": str(home / ".android"),
        "ANDROID_ADB_SERVER_PORT": str(free_port()),
        "ADB_MDNS_OPENSCREEN": "0",
        "ADB_MDNS_AUTO_CONNECT": "0",
        "ADB_LOCAL_TRANSPORT_MAX_PORT": "0",
    }


@contextmanager
def adb_server(environment: Mapping[str, str]) -> Iterator[None]:
    """Run the adb server of `adb_environment`, which else the first client would leave behind."""
    port = int(environment["ANDROID_ADB_SERVER_PORT"])
    log = Path(environment["HOME"]) / "adb_server.log"
    with running(["adb", "nodaemon", "server"], log=log, port=port, environment=environment):
        yield


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.create_server((HOST, 0)) as server:
        return server.getsockname()[1]


def _client_config(server: SshServer) -> str:
    # Neither BatchMode nor StrictHostKeyChecking: a client that needs them must ask for them.
    return (
        f"Host {ALIAS}\n  HostName {server.host}\n  Port {server.port}\n  User {server.user}\n"
        f'  IdentityFile "{server.identity}"\n  IdentitiesOnly yes\n'
        f'  UserKnownHostsFile "{server.known_hosts}"\n  GlobalKnownHostsFile /dev/null\n'
    )


def _server_config(folder: Path, port: int, chroot: Path | None) -> str:
    return (
        f"Port {port}\nListenAddress {HOST}\nPidFile none\nLogLevel VERBOSE\n"
        f'HostKey "{folder / "host_key"}"\nAuthorizedKeysFile "{folder / "authorized_keys"}"\nStrictModes no\n'
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nPermitRootLogin prohibit-password\n"
        "AllowTcpForwarding no\nX11Forwarding no\nPrintMotd no\nSubsystem sftp internal-sftp\n"
        f"SetEnv {SERVER_MARK}={port} {f'QEMU_CPU={PI_PROCESSOR}' if chroot else ''}\n"
    ) + (f"ChrootDirectory {chroot}\n" if chroot else "")


@contextmanager
def _mounted(root: Path | None, place: Path) -> Iterator[Path | None]:
    """Let `root` be seen at `place` with all that is mounted in it; sshd trusts no root below a folder like /tmp."""
    if root is None:
        yield None
        return
    _require_namespace(root)
    place.mkdir(mode=0o755, exist_ok=True)
    _run("mount", "--rbind", str(root), str(place))
    try:
        yield place
    finally:
        _run("umount", "--recursive", "--lazy", str(place))
        place.rmdir()


def _require_namespace(root: Path) -> None:
    if not in_namespace():
        raise DeviceError(
            f"What is mounted for {root} should vanish with a private namespace, and this process is in none.",
            hint="Start it by: python -m device_tests.servers COMMAND.",
        )


@contextmanager
def running(
    command: Sequence[str], *, log: Path, port: int, environment: Mapping[str, str] = os.environ
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server from when it answers on `port`; in the end nothing that it started is left."""
    mark = str(port)
    with log.open("w") as output:
        try:
            socket.create_server((HOST, port)).close()  # else whoever has the port would be taken for this server
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=CHECKOUT,
                env={**environment, SERVER_MARK: mark},
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceError(f"{command[0]} did not start: {error}.", hint=INSTALL_HINT) from error
    try:
        _await_port(port, process, log)
        yield process
    finally:
        _end(process, mark)


def _await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    said = log.read_text(errors="replace").strip()[-500:]
    command = shlex.join(map(str, process.args)) if isinstance(process.args, list) else str(process.args)
    raise DeviceError(f"{command} should answer on port {port}, and does not: {said}", hint=INSTALL_HINT)


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """End a server, its children, and what they left running on their own."""
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_LIMIT_S)
    end = time.monotonic() + STOP_LIMIT_S
    while (left := [each for each in {*children, *_marked(mark)} if each.is_running()]) and time.monotonic() < end:
        for each in left:
            try:
                each.send_signal(signal.SIGKILL)
            except psutil.Error:
                continue
        psutil.wait_procs(left, timeout=0.5)


def _marked(mark: str) -> list[psutil.Process]:
    """The processes that have `mark` in their environment, living ones only."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(SERVER_MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _run(*command: str) -> None:
    run_tool(list(command), hint=INSTALL_HINT)


if __name__ == "__main__":
    try:
        enable_emulation()
        make_roots(ROOTS)
        make_userlands(USERLANDS)
        make_variants(VARIANTS)
        prepare_programs()
    except DeviceError as error:
        sys.exit(f"Error: {error}")
    inside = enter_namespace_command(sys.argv[1:])
    os.execvp(inside[0], inside)
