"""The command group: it loads a command's module when that command is called, and turns errors into sentences."""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from typing import Any

import rich_click as click
from click.exceptions import NoArgsIsHelpError

from edgecompress import __version__
from edgecompress.child.kept import kept
from edgecompress.cli.interrupts import Heard, heeded, what_is_kept
from edgecompress.cli.verbosity import verbosity_options
from edgecompress.devices.wire.client import end_clients
from edgecompress.environment import OWN_PROCESS
from edgecompress.errors import EdgeCompressError

COMMANDS = {
    "train": "Train a network, compress it, and keep both in a run folder.",
    "convert": "Emit TFLite and ONNX files from a run or a model file.",
    "verify": "Measure the accuracy of every file, and their parity.",
    "profile": "Measure load, first inference and steady state, on devices.",
    "compare": "Say which of two files is faster, or that one cannot tell.",
    "devices": "List what there is to measure on, check it, and clean it up.",
    "report": "Write a run's results as Markdown, JSON and HTML.",
    "run": "Do all of the above as a recipe says.",
    "sensitivity": "Find how far each layer can be pruned before accuracy falls.",
    "methods": "List the compression methods, or show one's options.",
    "zoo": "List architectures, or count one's parameters and multiply-adds.",
    "pack": "Pack a .tflite or .onnx file as small as its content, without loss.",
    "unpack": "Restore what was packed, bit for bit.",
    "inspect": "Show what is in a .tflite, .onnx, .h5 or .keras file.",
    "kernels": "Build the library that runs binary layers, for an application.",
    "doctor": "Say what is installed, what is missing, and how to mend it.",
}
SIGNALLED = 128  # and the signal's number: the shell's convention


class LazyGroup(click.RichGroup):
    """A group whose commands are named in `COMMANDS`, so that `--help` imports none of them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands in the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return what help needs to know of a command: its name and summary."""
        if cmd_name not in COMMANDS:
            return None
        return click.RichCommand(name=cmd_name, short_help=COMMANDS[cmd_name], help=COMMANDS[cmd_name])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is called."""
        if args[0] in COMMANDS:
            return args[0], importlib.import_module(f"edgecompress.cli.{args[0]}").command, args[1:]
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgecompress")
@verbosity_options
def group() -> None:
    """Take a small Keras network to a phone or a Raspberry Pi: train, compress, convert, verify, profile, choose.

    Example: edgecompress run models/mobilenet_v1/recipes/digits.toml
    """


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    os.environ.setdefault(OWN_PROCESS, "1")
    code = run()
    if code > SIGNALLED:
        # TensorFlow's threads are in the middle of something, and may abort while the interpreter is taken down.
        end_clients()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def run() -> int:
    """Run the command line.

    Exit codes: 0 done, 1 a clear error, 2 usage, 3 a stated limit was not met, 128 and more ended by a signal.
    """
    with heeded() as heard:
        return _run(heard)


def _run(heard: Heard) -> int:
    from edgecompress.cli.output import take_documents

    take_documents()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be text
    try:
        with kept():
            code = group.main(standalone_mode=False) or 0
        sys.stdout.flush()  # here, where a reader that has gone is an exception like any other
    except SystemExit as ended:  # a command that has said what failed, and kept what did not
        code = int(ended.code or 0)
    except NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        code = _fail("UsageError", error.format_message(), _help_of(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        code = _fail("Interrupted", heard.sentence, what_is_kept(sys.argv[1:]), heard.exit_code)
    except EdgeCompressError as error:
        code = _fail(type(error).__name__, error.message, error.hint, error.exit_code)
    except BrokenPipeError:
        code = 1
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 (what is still held back is written there at the end)
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
    except MemoryError:
        code = _fail("MemoryError", "There is not enough memory for this.", "Take less at once.", 1)
    except OSError as error:
        where = f" '{error.filename}'" if error.filename else ""
        code = _fail("OSError", f"The system refused{where}: {error.strerror or error}.", "", 1)
    return code


def _help_of(error: click.ClickException) -> str:
    """Return how to get help about the command that was called wrongly."""
    context = getattr(error, "ctx", None)
    return f"See `{context.command_path} --help`." if context else ""


def _fail(kind: str, message: str, hint: str, exit_code: int) -> int:
    """Print an error for people, and with `--json` also as the one document, if none was printed; return the code."""
    from edgecompress.cli.output import print_error, print_json, take_documents

    print_error(message, hint)
    before_files = itertools.takewhile(lambda word: word != "--", sys.argv[1:])
    if "--json" in before_files and not take_documents():
        print_json({"error": {"kind": kind, "message": message, "hint": hint, "exit_code": exit_code}})
        sys.stdout.flush()
    return exit_code
