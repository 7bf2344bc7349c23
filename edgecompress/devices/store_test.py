"""Files on a device that is a folder of this machine, but is treated as one that is far away."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecompress.devices import store
from edgecompress.devices.store import clean, place
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.errors import DeviceError
from edgecompress.storage import sha256_of
from edgecompress.testing.devices import FolderTransport


@pytest.fixture
def device(tmp_path):
    with FolderTransport(tmp_path / "home") as device:
        yield device


@pytest.fixture(autouse=True)
def candidates(tmp_path, monkeypatch):
    """Where files may lie on the device, without the folders of this machine's /tmp."""
    monkeypatch.setattr(store, "CANDIDATES", f'"$home/.cache/$part" "{tmp_path}/shared/$part-$user"')


def bare_device(tmp_path, *tools):
    """A device that has only these tools, and the few without which there is nothing."""
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "mkdir", "mv", "chmod", "rm", "du", "wc", "cat", "sleep", *tools):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    return FolderTransport(tmp_path / "home", path=str(tmp_path / "bin"))


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a").write_bytes(b"first")
    (tmp_path / "b").write_bytes(b"second")
    return {"model.tflite": tmp_path / "a", "runner": tmp_path / "b"}


def put(device, files):
    """Place files; returns where they are, and what was pushed."""
    told = []
    where = place(device, files, on_push=lambda *each: told.append(each))
    assert all(total == files[name].stat().st_size for name, _, total in told)
    pushed = list(dict.fromkeys(name for name, _, _ in told))
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


@pytest.mark.parametrize(("left", "kept"), [(b"sec", 3), (b"second", 6), (b"", 0), (b"sic", 0), (b"second one", 0)])
def test_what_an_interrupted_push_left_is_gone_on_with_if_it_is_the_beginning(left, kept, device, files):
    where, _ = put(device, files)
    target = Path(where["runner"])
    target.unlink()
    Path(f"{target}.part").write_bytes(left)
    told = []
    place(device, files, on_push=lambda *each: told.append(each))
    assert told[0] == ("runner", kept, 6)
    assert put(device, files) == (where, [])


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


@pytest.mark.parametrize("hasher", ["sha256sum", "md5sum", "cksum", ""])
def test_a_device_that_hashes_in_another_way_or_not_at_all(hasher, tmp_path, files):
    """Without any tool, every file is pushed anew: neither name nor size is believed."""
    with bare_device(tmp_path, *filter(None, [hasher])) as device:
        assert device.greeting.hasher == hasher and device.greeting.limit == ""
        where, pushed = put(device, files)
        assert pushed == list(files)
        assert put(device, files) == (where, [] if hasher else list(files))
        Path(where["runner"]).write_bytes(b"SECOND")
        assert "runner" in put(device, files)[1]
        assert clean(device) > 0


def test_a_folder_that_cannot_be_made_is_said(device, files):
    Path(device.folder).write_text("a file")
    with pytest.raises(DeviceError, match=r"^The folder for files on ssh:board cannot be written: mkdir: .*\.$"):
        place(device, files)


def test_a_file_that_cannot_get_its_name_is_said(device, files):
    where, _ = put(device, files)
    target = device.home / where["runner"]
    target.unlink()
    (target / f"{target.name}.part" / "x").mkdir(parents=True)
    with pytest.raises(DeviceError, match=r"^The folder for files on ssh:board cannot be written: mv: "):
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
    assert not Path(device.folder).exists()
    assert put(device, files)[1] == list(files)


def test_clean_looks_wherever_files_may_have_been_put(device, files):
    put(device, files)
    earlier = device.home / ".cache/edgecompress/v1/0123/runner"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(bytes(50_000))
    (device.home / ".cache/edgecompress/libraries").mkdir()  # of an edgecompress that is used there
    assert clean(device) >= 50_000
    assert [path.name for path in (device.home / ".cache/edgecompress").iterdir()] == ["libraries"]
    assert not Path(device.folder).exists()


def test_clean_follows_no_link_that_anybody_might_have_made(device, tmp_path):
    if not str(tmp_path).startswith(("/tmp/", "/var/tmp/")):
        pytest.skip("only in folders that all users share is there a link to fear")
    (tmp_path / "of another/v1/0123").mkdir(parents=True)
    (tmp_path / "shared").mkdir()
    (tmp_path / f"shared/edgecompress-{os.getuid()}").symlink_to(tmp_path / "of another")
    assert clean(device) == 0 and (tmp_path / "of another/v1/0123").is_dir()
    (tmp_path / f"shared/edgecompress-{os.getuid()}").unlink()
    (tmp_path / "of another").rename(tmp_path / f"shared/edgecompress-{os.getuid()}")
    assert clean(device) > 0 and not list((tmp_path / "shared").iterdir())


def test_what_cannot_be_removed_is_said(tmp_path, files):
    with bare_device(tmp_path) as device:
        put(device, files)
        (tmp_path / "bin/rm").unlink()
        (tmp_path / "bin/rm").write_text("#!/bin/sh\necho 'rm: it is busy.' >&2\nexit 1\n")
        (tmp_path / "bin/rm").chmod(0o755)
        with pytest.raises(DeviceError, match=r"^Cannot remove '.*/v1' on ssh:board: rm: it is busy\.$"):
            clean(device)
