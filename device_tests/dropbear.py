"""The ssh server of small systems, in the system of an account: it has no sftp, and its own form of everything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from device_tests.accounts import Board
from device_tests.rootfs import run_tool
from device_tests.servers import HOST, INSTALL_HINT, free_port, running


@contextmanager
def dropbear(board: Board, folder: Path) -> Iterator[tuple[int, Path]]:
    """Run it for a board; yields its port, and the file of known hosts for it."""
    root, port = board.root, free_port()
    name = board.account.name
    with (root / "etc/passwd").open("a") as file:
        file.write(f"{name}:x:{board.user}:{board.user}::/home/{name}:{board.account.shell}\n")
    board.write({".ssh/authorized_keys": board.server.identity.with_suffix(".pub").read_text()})
    (board.home / ".ssh").chmod(0o700)
    keys = board.server.settings.parent
    shutil.copy(keys / "host_key", folder / "host_key")
    key = root / "etc/dropbear_host_key"
    run_tool(["dropbearconvert", "openssh", "dropbear", str(folder / "host_key"), str(key)], hint=INSTALL_HINT)
    (folder / "known_hosts").write_text(f"[{HOST}]:{port} {(keys / 'host_key.pub').read_text()}")
    command = ["chroot", str(root), "/usr/sbin/dropbear", "-F", "-E", "-s", "-p", f"{HOST}:{port}"]
    with running([*command, "-r", "/etc/dropbear_host_key"], log=folder / "dropbear.log", port=port):
        yield port, folder / "known_hosts"
