"""Listed functions are really called, by Keras, from a config, in a child that is watched while it does so."""

import json
import subprocess
import sys

from edgecompress.formats.keras.allowed.functions import TENSOR_FUNCTIONS

# Python tells its audit hook of files, sockets, processes and foreign functions; TensorFlow's own C++ tells nobody, so
# the child cannot write a byte (SIGXFSZ ignored: the write fails), and its folder and its open files are looked at.
WATCHED_CHILD = """
import json, os, resource, signal, sys
from edgecompress.environment import load_tf_keras
keras = load_tf_keras()
from edgecompress.formats.keras.allowed.code import code_in
CALLS = (
    [["x", 0, 0, {}]],
    [["x", 0, 0, {"y": ["x", 0, 0]}]],
    [["x", 0, 0, {"b": 2, "y": 2, "axis": 1, "shape": [1, 4]}]],
    [[["x", 0, 0, {}], ["x", 0, 0, {}]]],
    [["_CONSTANT_VALUE", -1, "evil.txt", {"contents": "x"}]],
)
def model(function, nodes, shape):
    source = {"class_name": "InputLayer", "name": "x", "inbound_nodes": [],
              "config": {"name": "x", "batch_input_shape": [1, *shape], "dtype": "float32"}}
    call = {"class_name": "TFOpLambda", "name": "f", "inbound_nodes": nodes,
            "config": {"name": "f", "function": function}}
    return {"class_name": "Functional", "config": {"name": "m", "layers": [source, call],
            "input_layers": [["x", 0, 0]], "output_layers": [["f", 0, 0]]}}
def load(function):
    loaded = 0
    for nodes in CALLS:
        for shape in ([4], [8, 8, 3]):
            config = model(function, nodes, shape)
            if code_in(config):
                return -1
            try:
                keras.layers.deserialize(config, use_legacy_format=True)
                loaded += 1
            except Exception:
                pass  # these are no arguments of that function
    return loaded
load("math.add")  # what is imported late is imported now
seen = []
FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.remove", "os.rename",
             "os.mkdir", "os.rmdir", "shutil.", "ctypes.dlopen", "urllib.", "ftplib.", "tempfile.", "pty.")
def hook(event, arguments):
    writes = event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or event.startswith(FORBIDDEN):
        seen.append(f"{event}{arguments!r:.200}")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
open_before = set(os.listdir("/proc/self/fd"))
sys.addaudithook(hook)
result = {name: load(name) for name in json.loads(sys.argv[1])}
children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
files = sorted(set(os.listdir("/proc/self/fd")) - open_before)
print(json.dumps({"loaded": result, "events": seen, "children": children, "folder": os.listdir("."), "files": files}))
"""


def call_watched(names, folder):
    """Load models that call each of the functions, in an empty folder; say how many loaded and what else happened."""
    command = [sys.executable, "-c", WATCHED_CHILD, json.dumps(list(names))]
    child = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(child.stdout.splitlines()[-1])


def test_calling_listed_functions_does_nothing_but_compute(tmp_path):
    sample = sorted(TENSOR_FUNCTIONS)[::12]
    told = call_watched([*sample, "io.write_file"], tmp_path)
    assert told.pop("loaded")["io.write_file"] == -1
    assert told == {"events": [], "children": [], "folder": [], "files": []}


def test_the_watch_sees_a_file_that_is_written(tmp_path):
    """The same child, with the list out of the way: what TensorFlow opens shows, though its bytes never arrive."""
    child = WATCHED_CHILD.replace("if code_in(config):", "if False:")
    command = [sys.executable, "-c", child, json.dumps(["io.write_file"])]
    told = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    assert told["folder"] == ["evil.txt"]
