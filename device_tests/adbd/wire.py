"""The packets of the adb protocol, and the proof that a client holds the private part of a known key."""

from __future__ import annotations

import base64
import binascii
import struct
from asyncio import StreamReader
from dataclasses import dataclass
from enum import IntEnum

VERSION = 0x01000001
MAX_PAYLOAD_BYTES = 256 * 1024
HEADER = struct.Struct("<6I")

AUTH_TOKEN, AUTH_SIGNATURE, AUTH_PUBLIC_KEY = 1, 2, 3
TOKEN_BYTES = 20
MODULUS_BYTES = 256
# A key file's structure: words of the modulus, -1/n mod 2^32, modulus, R^2 mod n, exponent.
KEY = struct.Struct(f"<II{MODULUS_BYTES}s{MODULUS_BYTES}sI")
SHA1_PREFIX = bytes.fromhex("3021300906052b0e03021a05000414")


class ProtocolError(Exception):
    """The other end does not speak this protocol."""


class Command(IntEnum):
    """What a packet is: four letters, as a little-endian number."""

    AUTH = int.from_bytes(b"AUTH", "little")
    CNXN = int.from_bytes(b"CNXN", "little")
    OPEN = int.from_bytes(b"OPEN", "little")
    OKAY = int.from_bytes(b"OKAY", "little")
    WRTE = int.from_bytes(b"WRTE", "little")
    CLSE = int.from_bytes(b"CLSE", "little")


@dataclass(frozen=True)
class Packet:
    """One message; what `arg0` and `arg1` mean depends on the command, mostly the two ends' numbers of a stream."""

    command: Command
    arg0: int
    arg1: int
    payload: bytes = b""

    def encode(self) -> bytes:
        """The bytes on the wire."""
        size_bytes, checksum, magic = len(self.payload), sum(self.payload) & 0xFFFFFFFF, self.command ^ 0xFFFFFFFF
        return HEADER.pack(self.command, self.arg0, self.arg1, size_bytes, checksum, magic) + self.payload


async def read_packet(reader: StreamReader) -> Packet:
    """Read one packet; `IncompleteReadError` at the connection's end, `ProtocolError` for anything but a packet."""
    command, arg0, arg1, size_bytes, _, magic = HEADER.unpack(await reader.readexactly(HEADER.size))
    if command ^ 0xFFFFFFFF != magic or command not in set(Command) or size_bytes > MAX_PAYLOAD_BYTES:
        raise ProtocolError(f"not a packet: command {command:#x}, magic {magic:#x}, {size_bytes} bytes")
    return Packet(Command(command), arg0, arg1, await reader.readexactly(size_bytes))


@dataclass(frozen=True)
class PublicKey:
    """A client's RSA key of 2048 bits."""

    modulus: int
    exponent: int

    @classmethod
    def parse(cls, line: bytes) -> PublicKey:
        """Read a line as it is in `adbkey.pub`: base64 of the structure, then the owner's name."""
        try:
            words, _, modulus, _, exponent = KEY.unpack(base64.b64decode(line.split()[0], validate=True))
        except (IndexError, binascii.Error, struct.error) as error:
            raise ProtocolError(f"not a public key: {error}") from error
        if words * 4 != MODULUS_BYTES:
            raise ProtocolError(f"a key of {words * 32} bits")
        return cls(int.from_bytes(modulus, "little"), exponent)

    def verifies(self, token: bytes, signature: bytes) -> bool:
        """Whether `signature` is PKCS#1 v1.5 of `token`, which stands where the SHA-1 digest would."""
        digest = SHA1_PREFIX + token
        padded = b"\0\1" + b"\xff" * (MODULUS_BYTES - 3 - len(digest)) + b"\0" + digest
        opened = pow(int.from_bytes(signature, "big"), self.exponent, self.modulus)
        return len(signature) == MODULUS_BYTES and opened == int.from_bytes(padded, "big")
