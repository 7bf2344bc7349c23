"""States of a device in which a figure is worth nothing, or less: none may pass without a word.

Each is put right after that, and the word must be gone.
"""

from dataclasses import dataclass, field

import pytest

from device_tests.cases import measure
from device_tests.kinds import PATHS


@dataclass(frozen=True)
class Condition:
    """What is said of figures from an account's machine, until these files are as they should be."""

    kind: str
    account: str
    invalid: str = ""
    remark: str = ""
    threads: int = 1
    right: dict[str, str] = field(default_factory=dict)


CASES = (
    Condition("throttled", "throttled", "the firmware says that it is throttled", right={"throttled": "0"}),
    Condition("undervolted", "undervolted", "the supply's voltage is too low", right={"throttled": "50000"}),
    Condition(
        *("a clock's limit below its maximum", "limited"),
        remark="limited to 600 of 1800 MHz",
        right={"limit": "1800000", "clock": "1800000"},
    ),
    Condition(
        *("a clock that only the firmware limits", "capped"),
        remark="ran at 1000 of 1800 MHz",
        right={"clock": "1800000"},
    ),
    Condition(
        "other work", "loaded", remark="other work had loaded 3.2 of 4 cores", right={"load": "0.10 0.1 0.1 1/2 3"}
    ),
    Condition("more threads than cores", "well", remark="64 threads shared", threads=64),
)
MACHINES = {
    "strange-zones": "48 °C",
    "one-core": "governor ondemand, 1000 of 1000 MHz",
    "two-cores": "cores 1: 2400 of 2400 MHz",
    "twelve-cores": "1800 of 1800 MHz, 48 °C, not throttled, load 0.1 of 12",
}


def words(measurement):
    return measurement.invalid, measurement.conditions["remarks"]


@pytest.mark.parametrize("case", CASES, ids=[case.kind for case in CASES])
def test_a_bad_condition_is_told_until_it_is_over(case, odd_boards, small_model):
    board = odd_boards[case.account]
    found = measure(board.address, small_model, threads=(case.threads,))
    assert case.invalid in found.invalid
    assert not case.remark or case.remark in " ".join(found.conditions["remarks"])
    for name, text in case.right.items():
        path = board.place / "machine" / ("loadavg" if name == "load" else f"sys/{PATHS[name]}")
        path.write_text(f"{text}\n")
    found = measure(board.address, small_model)
    assert not case.invalid or case.invalid not in found.invalid
    assert not found.conditions["remarks"]


@pytest.mark.parametrize("account", MACHINES)
def test_an_odd_machine_is_told_as_it_is(account, odd_boards, small_model):
    found = measure(odd_boards[account].address, small_model)
    assert MACHINES[account] in found.conditions["line"].replace(" (idle)", "")  # the core that it did not run on
