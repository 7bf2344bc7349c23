import subprocess
import sys

import numpy as np

from edgecompress.runtimes.channel import Channel
from edgecompress.runtimes.sample_files_test import FACE, fixed_classifier

NOISY = """
import os
from edgecompress.runtimes.worker import _claim_channel
channel = _claim_channel()
os.write(1, b"a runtime's C++ prints this")
print("and Python this", flush=True)
assert os.read(0, 1) == b""  # stdin is no longer the channel either
message, arrays = channel.receive()
channel.send(message, arrays)
"""


def test_what_a_runtime_prints_does_not_reach_the_channel():
    command = [sys.executable, "-c", NOISY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        channel = Channel(child.stdout.fileno(), child.stdin.fileno())
        channel.send({"n": 1}, [np.arange(5)])
        message, (array,) = channel.receive(timeout_s=30)
        printed = child.stderr.read()
    assert message == {"n": 1} and array.tolist() == [0, 1, 2, 3, 4]
    assert b"prints this" in printed and b"Python this" in printed


def test_it_never_imports_tensorflow(tmp_path):
    code = (
        "import sys; import edgecompress.runtimes.worker; from edgecompress.runtimes.session import open_session\n"
        "for path in sys.argv[1:]: open_session(path)\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('tensorflow', 'tf_keras', 'keras')))"
    )
    command = [sys.executable, "-c", code, str(FACE), str(fixed_classifier(tmp_path))]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_it_ends_when_nobody_listens():
    command = [sys.executable, "-m", "edgecompress.runtimes.worker"]
    assert subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True).stdout == b""
