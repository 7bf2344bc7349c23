import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edgecompress.data.published.download import Download, fetch
from edgecompress.errors import DataError

BODY = bytes(range(256)) * 4096  # 1 MiB: several chunks


@contextmanager
def serving(answer):
    """An HTTP server on the loopback interface whose every GET is `answer(handler)`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/file"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(body, *, promised=None):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(promised or len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def item(url, body=BODY):
    return Download("set/file.bin", url, hashlib.sha256(body).hexdigest(), len(body))


def require_nothing_left(folder):
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_the_right_file_arrives_whole_and_progress_is_told(tmp_path):
    told = []
    with serving(send(BODY)) as url:
        path = fetch(item(url), tmp_path, on_progress=lambda *report: told.append(report))
    assert path == tmp_path / "set" / "file.bin"
    assert path.read_bytes() == BODY
    assert told[-1] == ("download file.bin", len(BODY), len(BODY))
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (send(BODY[::-1]), "has the SHA-256 .* not the published"),
        (send(BODY[:700_000], promised=len(BODY)), "was cut off after 700000 of 1048576 bytes"),
        (send(BODY + b"more"), "sends more than the published 1048576 bytes"),
        (send(b""), "was cut off after 0 of"),
        (lambda handler: handler.send_error(404), "cannot be downloaded: Not Found"),
        (lambda handler: handler.wfile.write(b"not http\r\n\r\n"), "cannot be downloaded"),
        (lambda handler: handler.connection.close(), "cannot be downloaded"),
    ],
)
def test_a_wrong_answer_leaves_nothing_behind(tmp_path, answer, said):
    with serving(answer) as url, pytest.raises(DataError, match=said):
        fetch(item(url), tmp_path)
    require_nothing_left(tmp_path)


def test_a_file_that_was_there_survives_a_wrong_answer(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file.bin").write_bytes(b"before")
    with serving(send(BODY[::-1])) as url, pytest.raises(DataError):
        fetch(item(url), tmp_path)
    assert (tmp_path / "set" / "file.bin").read_bytes() == b"before"


def test_a_server_that_falls_silent_is_left(tmp_path):
    heard = threading.Event()

    def stall(handler):
        send(BODY[:1000], promised=len(BODY))(handler)
        handler.wfile.flush()
        heard.wait()

    with serving(stall) as url:
        try:
            with pytest.raises(DataError, match="cannot be downloaded: timed out"):
                fetch(item(url), tmp_path, silence_timeout_s=0.1)
        finally:
            heard.set()
    require_nothing_left(tmp_path)


def test_a_server_that_drips_is_left_at_the_deadline(tmp_path):
    left = threading.Event()

    def drip(handler):
        send(b"", promised=len(BODY))(handler)
        while not left.wait(0.01):
            handler.wfile.write(b"x")

    with serving(drip) as url:
        try:
            with pytest.raises(DataError, match="took too long"):
                fetch(item(url), tmp_path, timeout_s=0.1)
        finally:
            left.set()
    require_nothing_left(tmp_path)


def test_an_unreachable_server_is_told(tmp_path):
    with serving(send(BODY)) as url:
        pass  # its port is closed from here on
    with pytest.raises(DataError, match=r"cannot be downloaded: .*refused"):
        fetch(item(url), tmp_path)
    require_nothing_left(tmp_path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "set").write_bytes(b"a file where a folder is needed")
    with pytest.raises(DataError, match="cannot be written") as refused:
        fetch(item("http://127.0.0.1:9/"), tmp_path)
    assert "XDG_CACHE_HOME" in refused.value.hint
