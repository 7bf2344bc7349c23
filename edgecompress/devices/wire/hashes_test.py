import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.devices.wire.greeting import HASHERS
from edgecompress.devices.wire.hashes import digest


@pytest.mark.parametrize("hasher", [each for each in HASHERS if shutil.which(each)])
@settings(max_examples=10, deadline=None)
@given(data=st.binary(max_size=2000) | st.just(b"x" * 70_000))
def test_a_hash_is_what_the_tool_prints(hasher, data):
    printed = subprocess.run([hasher], input=data, capture_output=True, check=True).stdout
    assert printed.split()[0].decode() == digest(hasher, data)


def test_no_tool_has_no_hash():
    assert digest("", b"x") == ""
