"""Files on a device that is a folder of this machine, but is treated as one that is far away."""

import os
import shlex
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecompress.devices.address import Address
from edgecompress.devices.store import clean, place
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError
from edgecompress.storage import sha256_of


class FolderTransport(Transport):
    """A device whose home is a folder; as over ssh, paths there may be relative to it."""

    def __init__(self, home, *, path=None):
        self.address = Address("ssh", "board")
        self.folder = "cache of it's/v1"
        self.home, self.path = home, path or os.environ["PATH"]
        self.pushed = []

    def client(self, command):
        there = f"cd {shlex.quote(str(self.home))} && HOME={shlex.quote(str(self.home))} PATH={shlex.quote(self.path)}"
        return ["sh", "-c", f"{there} && {command}"]

    def refusal(self, finished):
        return None

    def push(self, source, target):
        self.pushed.append(target)
        shutil.copyfile(source, self.home / target)

    def pull(self, source, target):
        shutil.copyfile(self.home / source, target)


@pytest.fixture
def device(tmp_path):
    (tmp_path / "home").mkdir()
    return FolderTransport(tmp_path / "home")


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a").write_bytes(b"first")
    (tmp_path / "b").write_bytes(b"second")
    return {"model.tflite": tmp_path / "a", "runner": tmp_path / "b"}


def put(device, files):
    """Place files; returns where they are, and what was pushed."""
    pushed = []
    where = place(device, files, on_push=pushed.append)
    assert where.keys() == files.keys()
    for name, path in files.items():
        assert (device.home / where[name]).read_bytes() == path.read_bytes()
        assert os.access(device.home / where[name], os.X_OK)
    assert not list(device.home.rglob("*.part"))
    return where, pushed


def test_files_are_pushed_once(device, files):
    where, pushed = put(device, files)
    assert pushed == list(files)
    for name, path in files.items():
        assert where[name] == f"{device.folder}/{sha256_of(path)}/{name}"
    assert put(device, files) == (where, [])
    assert len(device.pushed) == 2


def test_only_what_is_new_is_pushed(device, files, tmp_path):
    put(device, files)
    (tmp_path / "b").write_bytes(b"another of the same size"[: len(b"second")])
    assert put(device, files)[1] == ["runner"]
    (tmp_path / "b").write_bytes(b"second")
    assert put(device, files)[1] == []  # the first one is still there


@pytest.mark.parametrize("damage", [b"", b"fir", b"FIRST", b"first and more"])
def test_a_damaged_file_is_replaced(damage, device, files):
    where, _ = put(device, files)
    (device.home / where["model.tflite"]).write_bytes(damage)
    assert put(device, files) == (where, ["model.tflite"])
    (device.home / where["model.tflite"]).unlink()
    assert put(device, files) == (where, ["model.tflite"])


def test_what_an_interrupted_push_left_is_overwritten(device, files):
    where, _ = put(device, files)
    target = device.home / where["runner"]
    target.rename(f"{target}.part")
    (device.home / f"{where['runner']}.part").write_bytes(b"sec")
    assert put(device, files)[1] == ["runner"]


NAMES = ["a b.tflite", "it's.onnx", '"', "$(touch x)", "../../up", "..", ".", "-rf", "a\nb", "ü", "\\", "x" * 200, "*"]


@pytest.mark.parametrize("name", NAMES)
def test_awkward_names_stay_below_the_folder(name, device, files):
    outside = set(device.home.parent.iterdir())
    where, pushed = put(device, {name: files["runner"]})
    assert pushed == [name]
    (file,) = (path for path in (device.home / device.folder).rglob("*") if path.is_file())
    assert file == device.home / where[name] and file.parent.parent == device.home / device.folder
    assert put(device, {name: files["runner"]}) == (where, [])
    assert set(device.home.parent.iterdir()) == outside


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(min_size=1, max_size=30), st.sampled_from(["model.tflite", "runner"]), min_size=1))
def test_any_names(device, files, names):
    chosen = {name: files[which] for name, which in names.items()}
    where, _ = put(device, chosen)
    assert put(device, chosen) == (where, [])


def test_one_content_under_two_names(device, files):
    same = {"one.tflite": files["runner"], "two.tflite": files["runner"]}
    where, _ = put(device, same)
    assert put(device, same) == (where, [])
    assert {path.rpartition("/")[0] for path in where.values()} == {f"{device.folder}/{sha256_of(files['runner'])}"}


def test_one_name_for_two_contents(device, files):
    first, _ = put(device, {"model.tflite": files["model.tflite"]})
    second, _ = put(device, {"model.tflite": files["runner"]})
    assert first != second
    assert (device.home / first["model.tflite"]).read_bytes() == b"first"


def test_a_copy_that_arrives_damaged_is_no_file(device, files):
    device.push = lambda source, target: (device.home / target).write_bytes(source.read_bytes()[:-1])
    with pytest.raises(DeviceError, match=r"^'model\.tflite' arrived damaged on ssh:board\."):
        place(device, files)
    del device.push
    assert put(device, files)[1] == list(files)


def test_a_device_without_sha256sum_gets_every_file_anew(tmp_path, files):
    (tmp_path / "home").mkdir()
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "timeout", "mkdir", "mv", "chmod", "rm", "du"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    device = FolderTransport(tmp_path / "home", path=str(tmp_path / "bin"))
    where, _ = put(device, files)
    assert put(device, files) == (where, list(files))
    assert clean(device) > 0


@pytest.mark.parametrize("in_the_way", ["cache of it's", "cache of it's/v1"])
def test_a_folder_that_cannot_be_made_is_said(in_the_way, device, files):
    (device.home / in_the_way).parent.mkdir(exist_ok=True)
    (device.home / in_the_way).write_text("a file")
    with pytest.raises(DeviceError, match=r"^The folder for files on ssh:board cannot be written: mkdir: .*\.$"):
        place(device, files)
    assert not device.pushed


def test_a_file_that_cannot_get_its_name_is_said(device, files):
    where, _ = put(device, files)
    target = device.home / where["runner"]
    target.unlink()
    (target / target.name).mkdir(parents=True)
    (target / f"{target.name}.part" / "x").mkdir(parents=True)
    with pytest.raises(DeviceError, match=r"^Cannot write into '.*' on ssh:board: mv: "):
        place(device, files)


def test_this_machines_own_files_are_used_where_they_are(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "folder"
    relative = {name: path.relative_to(tmp_path) for name, path in files.items()}
    where = place(LocalTransport(folder), relative, on_push=pytest.fail)
    assert where == {name: str(path) for name, path in files.items()} and not folder.exists()


def test_clean_removes_everything_and_says_how_much(device, files, tmp_path):
    assert clean(device) == 0  # there is nothing yet
    (tmp_path / "large").write_bytes(os.urandom(300_000))
    put(device, {**files, "large": tmp_path / "large"})
    (device.home / "of the user").touch()
    freed = clean(device)
    assert 300_000 <= freed < 300_000 + 64 * 1024  # and some blocks for folders and small files
    assert sorted(path.name for path in device.home.iterdir()) == ["cache of it's", "of the user"]
    assert not (device.home / device.folder).exists()
    assert put(device, files)[1] == list(files)
