"""A folder's lock among real processes: refused while one holds it, free when that was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgecompress.errors import RunFolderError
from edgecompress.locking import locked

HOLD = """
import sys, time
from pathlib import Path
from edgecompress.locking import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(RunFolderError, match="Another edgecompress is at work"), locked(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
    with locked(tmp_path), locked(tmp_path / "."):  # nested, as `run` does with `train`
        assert not list(tmp_path.iterdir())
    with locked(tmp_path):  # and free again
        pass


def test_what_is_no_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "none"):
        with pytest.raises(RunFolderError, match="Cannot use the folder"), locked(path):
            pass
