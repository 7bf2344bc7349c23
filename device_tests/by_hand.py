"""A person at a terminal: types a command, and answers what it asks."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import termios
from collections.abc import Mapping

LIMIT_S = 30.0


def type_in(command: str, *answers: tuple[str, str], environment: Mapping[str, str] = os.environ) -> str:
    """Run a shell's command at a terminal; each answer is typed once its question was seen. Returns what was shown.

    Raises:
        AssertionError: a question does not come, or the command does not end well.
    """
    own, its = pty.openpty()
    child = subprocess.Popen(
        ["bash", "-c", command],
        stdin=its,
        stdout=its,
        stderr=its,
        env=dict(environment),
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(its)
    shown, looked_at = "", 0
    try:
        for question, answer in answers:
            while question not in shown[looked_at:]:
                data = _read(own)
                assert data, f"`{command}` did not ask '{question}': {shown}"
                shown += data
            looked_at = len(shown)
            os.write(own, f"{answer}\n".encode())
        while data := _read(own):
            shown += data
        assert child.wait(LIMIT_S) == 0, f"`{command}`: {shown}"
    finally:
        child.kill()
        child.wait()
        os.close(own)
    return shown


def _read(terminal: int) -> str:
    """What is shown next; nothing once all have left the terminal."""
    ready, _, _ = select.select([terminal], [], [], LIMIT_S)
    assert ready, "it waits for something"
    try:
        return os.read(terminal, 4096).decode(errors="replace")
    except OSError:
        return ""
