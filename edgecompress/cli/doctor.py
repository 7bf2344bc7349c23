"""`edgecompress doctor`."""

from __future__ import annotations

import rich_click as click

from edgecompress.cli.output import json_option, print_json, print_line, print_table


@click.command("doctor")
@click.option(
    "--deep", is_flag=True, help="Import TensorFlow and the runtimes too, in processes of their own (half a minute)."
)
@json_option
@click.pass_context
def command(context: click.Context, deep: bool, as_json: bool) -> None:
    """Say which Python, libraries, Keras, data sets and tools are here, and the commands that mend what is not.

    Ends with exit code 1 if something is missing that edgecompress needs.

    Example: edgecompress doctor --deep
    """
    from edgecompress.doctor import examine, is_healthy

    checks = examine(deep=deep)
    healthy = is_healthy(checks)
    if as_json:
        print_json({"healthy": healthy, "checks": checks})
    else:
        rows = [[check.state, check.name, check.found] for check in checks]
        print_table("Environment", ["state", "what", "found"], rows)
        for check in checks:
            if check.mend:
                print_line(f"{check.name}: {check.mend}")
        print_line("Everything that edgecompress needs is here." if healthy else "Something that is needed is missing.")
    context.exit(0 if healthy else 1)
