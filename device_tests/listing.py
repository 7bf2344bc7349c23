"""Print device_tests/README.md: `python -m device_tests.listing > device_tests/README.md`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType

from device_tests import (
    odd_conditions_test,
    odd_folders_test,
    odd_lines_test,
    odd_logins_test,
    odd_phones_test,
    odd_shells_test,
    odd_userlands_test,
)

MODULES = (
    odd_shells_test,
    odd_logins_test,
    odd_folders_test,
    odd_lines_test,
    odd_userlands_test,
    odd_phones_test,
    odd_conditions_test,
)
HEAD = """# Tests that ask a device

`make device-test DEVICE=adb:SERIAL` (or `ssh:USER@HOST`, `local`) asks a device of yours what any device must answer
alike. `make device-test DEVICE=emulated` asks an emulated Raspberry Pi and an emulated phone, whose faults can be
chosen, and the odd devices below. It needs root and the Debian packages of `.ci/run`; all of it happens in private
namespaces.

Most odd devices are accounts of this machine behind one real sshd, each with its own shell, home, system, /sys or line.
Each either measures, or is refused in one sentence, of which some words are quoted here: then the test follows the
remedy that comes with it, word for word where it is a command, and has the device measure. `edgecompress devices check`
has to tell the ones from the others.

`python -m device_tests.listing` prints this list, and a test compares the two.
"""


def listing() -> str:
    """The whole file."""
    return HEAD + "".join(f"\n## {_title(module)}\n\n" + "".join(_lines(module)) for module in MODULES)


def _title(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().splitlines()[0].rstrip(".:")


def _lines(module: ModuleType) -> Iterator[str]:
    for case in getattr(module, "CASES", ()):
        words = " … ".join(getattr(case, "says", ()))
        yield f"- {case.kind}" + (f'; refused: "… {words} …"' if words else "") + "\n"
    for name, value in vars(module).items():
        if name.startswith("test_") and "case" not in inspect.signature(value).parameters:
            marks = [mark for mark in getattr(value, "pytestmark", ()) if mark.name == "parametrize"]
            which = f" ({', '.join(marks[0].args[1])})" if marks else ""
            yield f"- {name.removeprefix('test_').replace('_', ' ')}{which}\n"


if __name__ == "__main__":
    print(listing(), end="")  # noqa: T201
