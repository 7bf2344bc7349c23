"""Calling the command line as a person does, without a new interpreter each time."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from functools import partial

import pytest

from edgecompress.cli import main
from edgecompress.profiling import plan


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


@pytest.fixture
def quick(monkeypatch, short_warm_up):
    """Measurements that are as short as can be, and say little: other work on this machine repeats none of them."""
    shortest = partial(plan.Plan, min_runs=5, min_seconds=0.02, half_width=1e9, repeats=0, busy_pause_s=0.0)
    monkeypatch.setattr(plan, "Plan", shortest)


@pytest.fixture
def on_our_own(tmp_path, monkeypatch, own_children):
    """No configuration of the user's, no phones, and locks that nobody else on this machine takes."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("EDGECOMPRESS_SSH_CONFIG", "/dev/null")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/adb").write_text("#!/bin/sh\necho 'List of devices attached'\n")
    (tmp_path / "bin/adb").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    with tempfile.TemporaryDirectory() as folder:  # not pytest's, whose name is too long for ssh's socket
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield
        monkeypatch.undo()


@pytest.fixture
def say(cli):
    """Runs a command; whatever it says, it is no traceback."""

    def run(*arguments):
        result = cli(*arguments)
        assert "Traceback" not in result.out + result.err
        return result

    return run
