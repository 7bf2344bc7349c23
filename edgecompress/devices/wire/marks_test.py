from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgecompress.devices.wire.marks import Marked, framed, new_token

TOKEN = "0123456789abcdef"
BEGIN, END = f"{TOKEN}b 0\n".encode(), f"{TOKEN}e ".encode()
NEAR = st.sampled_from([TOKEN.encode(), BEGIN[:-4], END[:-1], BEGIN[:9], b"\n", b"0", b"b 0\n", b"e 7\n"])
ANYTHING = (
    st.lists(st.binary(max_size=40) | NEAR, max_size=8)
    .map(b"".join)
    .filter(lambda data: BEGIN[:-3] not in data and END not in data)
)


def fed(data, sizes):
    """What comes out when it arrives in pieces."""
    marked, found = Marked(TOKEN), b""
    while data:
        size = sizes[len(found) % len(sizes)]
        found += marked.feed(data[:size])
        data = data[size:]
    return marked, found


def joins(data):
    """Whether another mark has come about by chance, across the seams."""
    return data.count(BEGIN[:-3]) != 1 or data.count(END) != 1


@settings(max_examples=60)
@given(ANYTHING, ANYTHING, ANYTHING, st.integers(0, 255), st.lists(st.integers(1, 30), min_size=1))
def test_only_what_is_between_the_marks_counts(before, content, after, status, sizes):
    data = before + BEGIN + content + END + f"{status}\n".encode() + after
    assume(not joins(data))
    marked, found = fed(data, sizes)
    assert (marked.begun, marked.status, found) == (True, status, content)


@given(ANYTHING, st.lists(st.integers(1, 30), min_size=1))
def test_without_marks_nothing_counts(noise, sizes):
    marked, found = fed(noise, sizes)
    assert (marked.begun, marked.status, found) == (False, None, b"") and marked.unexpected == noise


def test_whole_lines_are_not_held_back():
    marked = Marked(TOKEN)
    assert marked.feed(BEGIN + b"line\n") == b"line\n"
    assert marked.feed(b"half") == b"half"
    assert marked.feed(END + b"3") == b"" and marked.status is None
    assert marked.feed(b"\n") == b"" and marked.status == 3


def test_a_status_that_is_none():
    marked = Marked(TOKEN)
    marked.feed(BEGIN + END + b"9" * 5000 + b"\n")
    assert marked.status == 255


def test_much_noise_is_forgotten_but_its_end():
    marked = Marked(TOKEN)
    for _ in range(100):
        marked.feed(b"x" * 10_000)
    assert len(marked.unexpected) < 5000


def test_the_script_itself_holds_no_mark():
    """So that a shell which echoes what it reads is not believed."""
    token = new_token()
    text = framed("echo", token, listens=False, ends=True)
    assert token in text and f"{token}b" not in text and f"{token}e" not in text
    assert token != new_token()
