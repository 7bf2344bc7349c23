"""The hashes that a device's tools print, computed here."""

from __future__ import annotations

import hashlib
import zlib

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def digest(hasher: str, data: bytes) -> str:
    """Return the first word that `sha256sum`, `md5sum` or `cksum` prints for `data`; nothing for no tool."""
    if hasher == "cksum":
        return str(_posix_crc(data))
    return hashlib.new(hasher.removesuffix("sum"), data).hexdigest() if hasher else ""


def _posix_crc(data: bytes) -> int:
    """The CRC-32 of POSIX `cksum`: zlib's with the bits of each byte reversed, from 0, over data and its length."""
    length = len(data).to_bytes((len(data).bit_length() + 7) // 8, "little")
    found = zlib.crc32((data + length).translate(_REVERSED), 0xFFFFFFFF)
    return int(f"{found:032b}"[::-1], 2)
