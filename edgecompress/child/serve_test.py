import subprocess
import sys

import numpy as np

from edgecompress.child.channel import Channel

NOISY = """
import os
from edgecompress.child.channel import Channel
from edgecompress.child.serve import claim_pipes
channel = Channel(*claim_pipes())
os.write(1, b"a runtime's C++ prints this")
print("and Python this", flush=True)
assert os.read(0, 1) == b""  # stdin is no longer the channel either
message, arrays = channel.receive()
channel.send(message, arrays)
"""


def test_what_a_library_prints_does_not_reach_the_channel():
    command = [sys.executable, "-c", NOISY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        channel = Channel(child.stdout.fileno(), child.stdin.fileno())
        channel.send({"n": 1}, [np.arange(5)])
        message, (array,) = channel.receive(timeout_s=30)
        printed = child.stderr.read()
    assert message == {"n": 1} and array.tolist() == [0, 1, 2, 3, 4]
    assert b"prints this" in printed and b"Python this" in printed


def test_it_ends_when_nobody_listens():
    command = [sys.executable, "-m", "edgecompress.child.serve", "edgecompress.child.example_test", "{}"]
    assert subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True).stdout == b""


def test_it_imports_no_more_than_it_needs():
    code = (
        "import sys; import edgecompress.child.serve; import edgecompress.formats.keras.service\n"
        "print({name.partition('.')[0] for name in sys.modules} & {'tensorflow', 'tf_keras', 'keras', 'onnx', 'h5py',"
        " 'pydantic', 'ai_edge_litert', 'onnxruntime'})"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "set()\n"
