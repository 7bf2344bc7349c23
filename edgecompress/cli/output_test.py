"""Tables: whole where nobody looks, folded where a terminal is narrow."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

from edgecompress.cli.output import print_table

LONG = "a/path/that/is/longer/than/any/terminal/" * 8


def test_in_a_pipe_a_row_is_a_line_with_every_cell_whole(capsys) -> None:
    print_table("Files", ["file", "KiB"], [[LONG, "1.5"], ["幅 wide", "12.0"], ["two\nlines\x1b[0m", "-"]])
    title, head, *rows, last = capsys.readouterr().out.splitlines()
    assert title == "Files" and last == "" and head.split() == ["file", "KiB"]
    assert rows[0] == f"  {LONG}   1.5"
    assert rows[1].split() == ["幅", "wide", "12.0"] and rows[2].split() == ["two?lines?[0m", "-"]
    assert len(rows[2]) == len(rows[0]) == len(rows[1]) + 1  # a wide character takes two places


def test_on_a_terminal_cells_are_folded_to_its_width() -> None:
    ours, theirs = pty.openpty()
    script = f"from edgecompress.cli.output import print_table; print_table('T', ['file', 'KiB'], [[{LONG!r}, '1.5']])"
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", script], stdout=theirs, env=environment, check=True)
    os.close(theirs)
    printed = re.sub(r"\x1b\[[0-9;]*m", "", os.read(ours, 1 << 16).decode())
    os.close(ours)
    assert max(map(len, printed.splitlines())) == 80 and "─" in printed and "1.5" in printed
