"""Calling the command line as a person does, without a new interpreter each time."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from edgecompress.cli import main


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys, monkeypatch):
    """Return a function that runs `edgecompress ARGUMENTS` and gives exit code and both outputs."""

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["edgecompress", *map(str, arguments)])
        capsys.readouterr()
        code = main.run()
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run
