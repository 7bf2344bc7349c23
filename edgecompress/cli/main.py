"""The command group: it loads a command's module when that command is called, and turns errors into sentences."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import rich_click as click

from edgecompress import __version__
from edgecompress.child.kept import kept
from edgecompress.errors import EdgeCompressError

COMMANDS = {
    "train": "Train a network, compress it, and keep both in a run folder.",
    "convert": "Emit TFLite and ONNX files from a run or a model file.",
    "verify": "Measure the accuracy of every file, and their parity.",
    "profile": "Measure load, first inference and steady state, on devices.",
    "compare": "Say which of two files is faster, or that one cannot tell.",
    "devices": "List what there is to measure on, and clean it up.",
    "report": "Write a run's results as Markdown, JSON and HTML.",
    "run": "Do all of the above as a recipe says.",
    "sensitivity": "Find how far each layer can be pruned before accuracy falls.",
    "zoo": "List architectures, or count one's parameters and multiply-adds.",
    "pack": "Pack a .tflite or .onnx file as small as its content, without loss.",
    "unpack": "Restore what was packed, bit for bit.",
    "inspect": "Show what is in a .tflite, .onnx, .h5 or .keras file.",
    "kernels": "Build the library that runs binary layers, for an application.",
    "doctor": "Say what is installed, what is missing, and how to mend it.",
}
INTERRUPTED = 130  # the shell's convention for SIGINT


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
def group() -> None:
    """Take a small Keras network to a phone or a Raspberry Pi: train, compress, convert, verify, profile, choose.

    Example: edgecompress run models/mobilenet_v1/recipes/digits.toml
    """


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 a clear error, 2 usage, 3 a stated limit was not met."""
    as_json = "--json" in sys.argv
    try:
        with kept():
            sys.exit(group.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        print("Interrupted. What was finished is kept; `--resume` goes on with a training.", file=sys.stderr)  # noqa: T201
        sys.exit(INTERRUPTED)
    except EdgeCompressError as error:
        _show(error.message, error.hint, type(error).__name__, as_json and error.exit_code == 1)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        where = f" '{error.filename}'" if error.filename else ""
        _show(f"The system refused{where}: {error.strerror or error}.", "", "OSError", as_json)
        sys.exit(1)


def _show(message: str, hint: str, kind: str, as_json: bool) -> None:
    """Print an error for people, and with `--json` also as the one document on standard output."""
    from edgecompress.cli.output import print_error, print_json

    print_error(message, hint)
    if as_json:
        print_json({"error": {"kind": kind, "message": message, "hint": hint}})
