import zlib
from pathlib import Path

import pytest

from edgecompress.data.bounds import MAX_DEFLATE_RATIO, reading, require_memory, require_plausible
from edgecompress.errors import DataError


def test_the_best_that_deflate_can_do_is_allowed():
    zeros = bytes(1 << 24)
    packed = zlib.compress(zeros, 9)
    assert len(zeros) / len(packed) > 0.99 * MAX_DEFLATE_RATIO  # as near to the limit as it gets
    require_plausible(len(zeros), len(packed), "zeros")


def test_more_than_deflate_can_do_is_refused():
    with pytest.raises(DataError, match=r"the file claims to hold 1033 bytes, more than its 1 stored bytes"):
        require_plausible(MAX_DEFLATE_RATIO + 1, 1, "the file")


def test_more_than_memory_holds_is_refused():
    with pytest.raises(DataError, match=r"all of it needs 1048576\.0 GiB"):
        require_memory(1 << 50, "all of it")


def test_what_the_system_refuses_is_named(tmp_path):
    with pytest.raises(DataError, match=r"the set cannot be read: .*missing: No such file"), reading("the set"):
        Path(tmp_path / "missing").read_bytes()
