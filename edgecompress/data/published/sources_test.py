import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from edgecompress.data.npz import read_splits
from edgecompress.data.published import sources
from edgecompress.data.published.download import Download
from edgecompress.data.published.sources import Published, cache_folder, find, user_path
from edgecompress.errors import DataError

SET = Published("toy", (("toy.npz", read_splits),), lambda folder: None, ())


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Every place in which data is looked for, as empty folders, in the order of the search."""
    found = {name: tmp_path / name for name in ("data_dir", "shared", "keras/datasets", "system", "cache")}
    monkeypatch.setenv("EDGECOMPRESS_DATA", str(found["shared"]))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(found["cache"]))
    monkeypatch.setattr(sources, "SYSTEM_FOLDER", found["system"])
    found["cache"] = found["cache"] / "edgecompress" / "datasets"
    for folder in found.values():
        folder.mkdir(parents=True)
    return found


def write(path, *, pixel=0):
    images, labels = np.full((2, 2, 2), pixel, np.uint8), np.arange(2)
    np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)


def test_the_first_place_in_the_order_wins(places):
    for pixel, folder in enumerate(places.values()):
        write(folder / "toy.npz", pixel=pixel)
    for pixel, folder in enumerate(places.values()):
        (train, _), where = find(SET, data_dir=places["data_dir"])
        assert where == str(folder / "toy.npz")
        assert (train.images == pixel).all()
        (folder / "toy.npz").unlink()


def test_the_files_themselves_may_lie_in_the_folder_that_is_given(places):
    write(places["data_dir"] / "direct.npz", pixel=9)
    direct = Published("toy", SET.forms, lambda folder: read_splits(folder / "direct.npz"), ())
    (train, _), where = find(direct, data_dir=places["data_dir"])
    assert (train.images == 9).all()
    assert where == str(places["data_dir"])


def test_a_damaged_copy_is_named_and_not_passed_over(places):
    (places["shared"] / "toy.npz").write_bytes(b"PK\x03\x04")
    write(places["system"] / "toy.npz")
    with pytest.raises(DataError, match=r"shared/toy\.npz is not an intact \.npz"):
        find(SET)


def test_a_data_dir_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"There is no folder .*gone to look for toy in"):
        find(SET, data_dir=tmp_path / "gone")


@pytest.fixture
def server(tmp_path):
    """The folder `served`, on the loopback interface."""
    (tmp_path / "served").mkdir()
    handler = partial(QuietHandler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http_server.server_port}"
        http_server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def test_what_is_nowhere_is_downloaded_once_and_kept(tmp_path, server):
    write(tmp_path / "served" / "toy.npz", pixel=4)
    body = (tmp_path / "served" / "toy.npz").read_bytes()
    item = Download("toy.npz", f"{server}/toy.npz", hashlib.sha256(body).hexdigest(), len(body))
    published = Published("toy", SET.forms, SET.folder, (item,))
    (train, _), where = find(published)
    assert (train.images == 4).all()
    assert where == str(cache_folder() / "toy.npz")
    (tmp_path / "served" / "toy.npz").unlink()  # a second download would fail
    assert find(published)[1] == where


def test_what_cannot_be_downloaded_is_told_with_every_place_and_a_way_out(places, server):
    item = Download("toy.npz", f"{server}/toy.npz", "0" * 64, 10)
    published = Published("toy", SET.forms, lambda folder: None, (item,), "Install toys.")
    with pytest.raises(DataError) as refused:
        find(published, data_dir=places["data_dir"])
    for folder in places.values():
        assert f"  {folder}\n" in refused.value.message
    assert "as toy.npz; and" in refused.value.message
    assert "File not found" in refused.value.message
    assert refused.value.hint == "Install toys. Give the folder that holds it with --data-dir."


def test_the_caches_are_below_the_home_folder_where_no_variable_says_otherwise(tmp_path, monkeypatch):
    for name in ("EDGECOMPRESS_DATA", "KERAS_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert list(sources.root_folders(None)) == [
        tmp_path / ".keras" / "datasets",
        sources.SYSTEM_FOLDER,
        tmp_path / ".cache" / "edgecompress" / "datasets",
    ]


def test_the_home_folder_of_nobody_is_refused():
    with pytest.raises(DataError, match="is not a path"):
        user_path("~no-such-user-here/images")
