"""What is printed inside goes nowhere, from Python and from native code; afterwards everything is as before."""

from __future__ import annotations

import os
import sys

import pytest

from edgecompress.quiet import quiet


def test_prints_and_descriptors_are_silent_inside_and_back_outside(capfd) -> None:
    with quiet():
        sys.stdout.write("python ")
        os.write(1, b"native ")
        os.write(2, b"log ")
    sys.stdout.write("after")
    sys.stdout.flush()
    out, err = capfd.readouterr()
    assert (out, err) == ("after", "")


def test_an_error_inside_comes_out(capfd) -> None:
    with pytest.raises(ValueError, match="inside"), quiet():
        raise ValueError("inside")
    os.write(2, b"visible")
    assert capfd.readouterr().err == "visible"
