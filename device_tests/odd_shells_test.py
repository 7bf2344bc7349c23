"""Logins whose shell is not the plain one, or says and does things of its own."""

import pytest

from device_tests.cases import Case, as_root, command_in, see


def interactive_only(board, hint):
    """What a hint has a .bashrc begin with."""
    board.set_files({".bashrc": f"{command_in(hint)}\n{board.account.files['.bashrc']}"})


CASES = (
    Case("a plain bash", "plain"),
    Case("a .bashrc that speaks, and sets a terminal that is not there", "echoes"),
    Case("a .bashrc that changes the folder", "moves"),
    Case("a .bashrc that reads a line", "reads"),
    Case("a shell that is nologin", "nologin", ("runs no shell for us: it says 'This account is", "not available"), as_root),
)


@pytest.mark.parametrize("case", CASES, ids=[case.account for case in CASES])
def test_a_shell(case, odd_boards, small_model, output_hash):
    see(case, odd_boards[case.account], small_model, output_hash)
