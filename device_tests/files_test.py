"""Files survive the trip, and come and go as they should."""

import os

import pytest

from edgecompress.devices.store import clean, place
from edgecompress.storage import sha256_of

AWKWARD = 'it\'s a $(touch x); `id` "name" ü.tflite'


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_001])
def test_bytes_come_back_as_they_went(transport, tmp_path, size):
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(os.urandom(size))
    where = place(transport, {"file.bin": source})["file.bin"]
    transport.pull(where, back)
    assert sha256_of(back) == sha256_of(source)


def test_a_file_is_pushed_once(transport, tmp_path):
    source, pushed = tmp_path / "source", []
    source.write_bytes(os.urandom(1000))
    first = place(transport, {"model.tflite": source}, on_push=lambda *told: pushed.append(told))
    assert set(pushed) <= {("model.tflite", 0, 1000), ("model.tflite", 1000, 1000)}  # none at all on this machine
    assert place(transport, {"model.tflite": source}, on_push=pytest.fail) == first


def test_another_content_of_the_same_name_and_size_is_another_file(transport, tmp_path):
    source, back = tmp_path / "source", tmp_path / "back"
    for content in (b"a" * 1000, b"b" * 1000):
        source.write_bytes(content)
        transport.pull(place(transport, {"model.tflite": source})["model.tflite"], back)
        assert back.read_bytes() == content


def test_what_was_damaged_on_the_device_is_pushed_anew(transport, tmp_path):
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(b"whole")
    where = place(transport, {"model.tflite": source})["model.tflite"]
    if where == str(source):
        pytest.skip("this machine's own files are used where they are")
    transport.shell('echo broken > "$1"', where)
    transport.pull(place(transport, {"model.tflite": source})["model.tflite"], back)
    assert back.read_bytes() == b"whole"


def test_an_awkward_name_stays_a_name(transport, tmp_path):
    source, back = tmp_path / AWKWARD, tmp_path / "back"
    source.write_bytes(b"content")
    where = place(transport, {AWKWARD: source})[AWKWARD]
    transport.pull(where, back)
    assert back.read_bytes() == b"content"


@pytest.mark.parametrize("word", [AWKWARD, "", "a  b", "-n", "\\", "*", "$HOME", "line\nline", "'\"'"])
def test_words_arrive_as_they_are(transport, word):
    finished = transport.run(["printf", "%s|%s", word, "end"], timeout_s=20)
    assert finished.stdout == f"{word}|end"


def test_exit_status_and_both_outputs(transport):
    finished = transport.shell("echo out; echo err >&2; exit 7")
    said = finished.stderr.split()[-1]  # an sshd may greet first
    assert (finished.status, finished.stdout.strip(), said) == (7, "out", "err")


def test_cleaning_removes_everything(transport, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(100_000))
    where = place(transport, {"model.tflite": source})["model.tflite"]
    clean(transport)
    assert where == str(source) or transport.shell('[ -e "$1" ]', where).status == 1
    assert transport.shell('[ -e "$1" ]', transport.folder).status == 1
