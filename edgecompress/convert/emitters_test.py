"""Every target has an emitter, and no other has."""

from edgecompress.convert.emitters import EMITTERS
from edgecompress.convert.targets import TARGETS


def test_there_is_one_for_each_target() -> None:
    assert list(EMITTERS) == list(map(str, TARGETS))
