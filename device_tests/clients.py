"""ssh's client on this machine, as its user has set it up for one account."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from device_tests.accounts import Board, Boards
from device_tests.servers import ALIAS, HOST


@dataclass(frozen=True)
class Client:
    """A configuration of its own, with files beside it; `address` is what the user calls the board."""

    board: Board
    boards: Boards
    folder: Path
    patch: pytest.MonkeyPatch
    listener: list[socket.socket] = field(default_factory=list)  # that is to be closed

    @property
    def address(self) -> str:
        """The account's, through this configuration."""
        return self.board.address

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.folder / "config"

    @property
    def port(self) -> int:
        """The server's."""
        return self.board.server.port

    @property
    def key(self) -> Path:
        """A key that the server takes."""
        return self.board.server.identity

    def write(self, *more: str, host: str = ALIAS, **settings: object) -> None:
        """Write the configuration of a host, with `settings` in the place of those that work, and lines after them."""
        server = self.board.server
        usual = {
            "HostName": HOST,
            "Port": server.port,
            "User": self.board.account.name,
            "IdentityFile": self.key,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": server.known_hosts,
            "GlobalKnownHostsFile": "/dev/null",
        }
        lines = [f"  {name} {value}" for name, value in {**usual, **settings}.items()]
        self.config.write_text("\n".join([f"Host {host}", *lines, *(f"  {each}" for each in more), ""]))
        self.patch.setenv("EDGECOMPRESS_SSH_CONFIG", str(self.config))
