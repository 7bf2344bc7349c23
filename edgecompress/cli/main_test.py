"""The command group: fast help, exit codes, and errors that are sentences."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from edgecompress.cli.interrupts import what_is_kept
from edgecompress.cli.main import COMMANDS

LIGHT = ["--help", "--version", "zoo --json", "zoo --help", *(f"{name} --help" for name in COMMANDS)]
PROBE = """
import sys
sys.argv = ["edgecompress", *{arguments!r}]
from edgecompress.cli.main import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
heavy = [name for name in {heavy!r} if name in sys.modules]
assert not heavy, heavy
"""


@pytest.mark.parametrize("arguments", LIGHT)
def test_help_and_light_commands_load_nothing_heavy(arguments: str) -> None:
    heavy = ["tensorflow", "tf_keras", "keras", "onnx", "onnxruntime", "ai_edge_litert", "sklearn", "matplotlib"]
    if "help" in arguments or "version" in arguments:
        heavy.append("numpy")
    probe = PROBE.format(arguments=arguments.split(), heavy=heavy)
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(cli, name: str) -> None:
    result = cli(name, "--help")
    assert result.code == 0
    assert "Example" in result.out and f"edgecompress {name}" in result.out.replace("\n", " ").replace("  ", " ")
    assert "--json" in result.out


def test_usage_errors_end_with_2(cli) -> None:
    assert cli("convert").code == 2
    assert cli("no-such-command").code == 2
    result = cli("train", "lenet_5", "--epochs", "many")
    assert result.code == 2 and "'many'" in result.err and "train --help" in result.err
    assert not set(result.err) & set("─│╭╮╰╯")  # plain words, whatever the width
    assert cli("zoo", "--quiet", "--verbose").code == 2


def test_an_error_is_a_sentence_and_ends_with_1(cli) -> None:
    result = cli("zoo", "mobilnet_v1")
    assert result.code == 1
    assert "Did you mean 'mobilenet_v1'?" in result.err.replace("\n", " ")
    assert "Traceback" not in result.err and not result.out


def test_with_json_an_error_is_one_document(cli) -> None:
    result = cli("zoo", "mobilnet_v1", "--json")
    assert result.code == 1
    error = json.loads(result.out)["error"]
    assert error["kind"] == "ArchitectureError" and "mobilnet_v1" in error["message"]


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (["convert"], 2, "UsageError"),
        (["no-such-command"], 2, "UsageError"),
        (["train", "lenet_5", "--epochs", "many"], 2, "UsageError"),
        (["train", "lenet_5", "--nonsense"], 2, "UsageError"),
        (["zoo", "mobilnet_v1"], 1, "ArchitectureError"),
        (["inspect", "\udcff.tflite"], 1, "ModelFileError"),
    ],
)
def test_with_json_every_error_is_one_document(cli, arguments: list[str], code: int, kind: str) -> None:
    result = cli(*arguments, "--json")
    error = json.loads(result.out)["error"]
    assert (result.code, error["exit_code"], error["kind"]) == (code, code, kind)
    shown = error["message"].encode(errors="backslashreplace").decode()
    assert shown in result.err and set(error) == {"kind", "message", "hint", "exit_code"}


def test_a_file_called_json_asks_for_no_document(cli) -> None:
    result = cli("inspect", "--", "--json")
    assert result.code == 1 and not result.out and "--json does not exist" in result.err


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_reader_that_goes_early_meets_no_traceback(size: int) -> None:
    """Less than a pipe holds is written at the end, more before: the reader may be gone both times."""
    probe = (
        "import sys; sys.argv = ['edgecompress', 'zoo']\n"
        "import edgecompress.cli.zoo as zoo, edgecompress.cli.main as main\n"
        f"zoo.print_table = lambda *_: zoo.print_line('x' * {size})\n"
        "main.main()"
    )
    with subprocess.Popen([sys.executable, "-c", probe], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 1


def test_every_command_says_what_an_interrupt_leaves() -> None:
    for name in COMMANDS:
        assert what_is_kept(["--quiet", name, "x"]).endswith((".", " --resume"))
    assert what_is_kept(["train", "lenet_5", "--out", "my run"]).endswith(
        ": edgecompress train lenet_5 --out 'my run' --resume"
    )
    assert what_is_kept(["run", "a.toml", "--resume"]).endswith("edgecompress run a.toml --resume")


def test_zoo_lists_and_counts(cli) -> None:
    assert [entry["name"] for entry in json.loads(cli("zoo", "--json").out)][:2] == ["mobilenet_v1", "squeezenet"]
    found = json.loads(cli("zoo", "squeezenet", "--version", "1.1", "--bypass", "simple", "--json").out)
    assert found["parameters"] == 1_235_496
    assert cli("zoo", "squeezenet", "--width", "0.5").code == 1  # not an option of that architecture
