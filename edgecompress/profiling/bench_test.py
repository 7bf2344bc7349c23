import shlex
import sys

import pytest

from edgecompress.devices.address import Address
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.plan import Plan
from edgecompress.testing.sample_files import FACE


@pytest.mark.parametrize(
    ("named", "configured", "used"), [("", "", "ours"), ("", "theirs", "theirs"), ("named", "theirs", "named")]
)
def test_the_python_that_was_named_last_runs_the_runner(named, configured, used, tmp_path):
    pythons = {"": "", "ours": sys.executable}
    for name in ("named", "theirs"):
        (tmp_path / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        (tmp_path / name).chmod(0o755)
        pythons[name] = str(tmp_path / name)
    with LocalTransport() as transport:
        transport.address = Address("local").using(python=pythons[configured])
        with Bench(transport, Plan(runner="python", python=pythons[named])) as bench:
            assert bench.open(FACE, threads=1)[1].words[0] == pythons[used]
