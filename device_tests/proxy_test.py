"""The line to a server is as slow, and breaks, as it is told to."""

import contextlib
import socket
import threading
import time

import pytest

from device_tests.proxy import HOST, Line, proxied

PATIENCE_S = 20


@pytest.fixture
def echo():
    """The port of a server that sends everything back."""
    with socket.create_server((HOST, 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=[server.accept()[0]]).start()

        def answer(connection):
            with connection, contextlib.suppress(OSError):
                while data := connection.recv(65536):
                    connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def back(connection, data):
    """What comes back of some data; less than all if the line breaks."""
    connection.settimeout(PATIENCE_S)
    found = b""
    sender = threading.Thread(target=send, args=[connection, data])
    sender.start()
    with contextlib.suppress(ConnectionError):
        while len(found) < len(data) and (more := connection.recv(65536)):
            found += more
    sender.join()
    return found


def send(connection, data):
    with contextlib.suppress(OSError):
        connection.sendall(data)


def through(proxy, data):
    with socket.create_connection((HOST, proxy.port)) as connection:
        return back(connection, data)


DATA = bytes(range(256)) * 200


def test_everything_arrives_in_order(echo):
    with proxied(echo, Line()) as proxy:
        assert through(proxy, DATA) == through(proxy, DATA) == DATA


def test_a_slow_line_is_slow_and_latency_does_not_add_up(echo):
    much = DATA * 10
    with proxied(echo, Line(latency_s=0.5, bytes_per_s=len(much))) as proxy:
        began_s = time.monotonic()
        assert through(proxy, much) == much  # in some 360 packets, whose latencies overlap: one by one, they took 180 s
        assert 2.0 < time.monotonic() - began_s < 90.0


def test_a_cut_comes_once_and_heals(echo):
    with proxied(echo, Line(cut_after_bytes=10_000)) as proxy:
        assert len(through(proxy, DATA)) < len(DATA) and proxy.cuts == 1
        assert through(proxy, DATA) == DATA and proxy.cuts == 1


def test_a_line_that_does_not_heal(echo):
    with proxied(echo, Line(cut_after_s=0.1, heals=False)) as proxy:
        with socket.create_connection((HOST, proxy.port), timeout=PATIENCE_S) as connection:
            with contextlib.suppress(ConnectionError):
                assert connection.recv(1) == b""
            assert proxy.cuts == 1
        assert through(proxy, DATA) == b""


def test_a_cut_by_hand(echo):
    with proxied(echo, Line()) as proxy, socket.create_connection((HOST, proxy.port)) as connection:
        assert back(connection, b"hello") == b"hello"
        proxy.cut()
        assert back(connection, b"hello") == b""
