"""`edgecompress zoo`."""

from __future__ import annotations

from typing import Any

import rich_click as click

from edgecompress.cli.architecture import architecture_options, chosen
from edgecompress.cli.output import json_option, print_json, print_line, print_table


@click.command("zoo")
@click.argument("name", required=False)
@architecture_options
@click.option("--resolution", type=int, help="Side of the square input in pixels.  [default: the architecture's]")
@click.option("--channels", type=int, help="Channels of the input.  [default: the architecture's]")
@click.option("--classes", type=int, default=1000, show_default=True)
@json_option
def command(
    name: str | None, resolution: int | None, channels: int | None, classes: int, as_json: bool, **options: Any
) -> None:
    """List the architectures, or count the parameters and multiply-adds of one.

    Parameters are trained numbers (batch-norm gamma and beta, not its statistics); multiply-adds are those of
    convolutions and matrix products for one input.

    Example: edgecompress zoo mobilenet_v1 --width 0.5 --resolution 160
    """
    from edgecompress import zoo
    from edgecompress.zoo.counts import batch_norm_statistics, count

    if name is None:
        entries = zoo.ARCHITECTURES
        if as_json:
            print_json(
                [
                    {
                        "name": entry.name,
                        "summary": entry.summary,
                        "paper": entry.paper,
                        "resolution": entry.default_resolution,
                        "options": [option.name for option in entry.options],
                    }
                    for entry in entries
                ]
            )
            return
        rows = [
            [e.name, e.summary, str(e.default_resolution), ", ".join(o.name for o in e.options), e.paper]
            for e in entries
        ]
        print_table("Architectures", ["name", "what", "resolution", "options", "paper"], rows)
        return
    architecture = zoo.find(name)
    sizes = {
        "resolution": architecture.default_resolution if resolution is None else resolution,
        "channels": architecture.default_channels if channels is None else channels,
        "classes": classes,
    }
    given = chosen(**options)
    model = architecture.build(**sizes, **given)
    parameters, multiply_adds = count(model)
    statistics = batch_norm_statistics(model)
    found = {
        "name": name,
        **sizes,
        "options": given,
        "parameters": parameters,
        "batch_norm_statistics": statistics,
        "multiply_adds": multiply_adds,
    }
    if as_json:
        print_json(found)
        return
    print_line("{name}: {resolution} x {resolution} x {channels}, {classes} classes".format(**found))
    print_line(f"{parameters:,} parameters, {multiply_adds:,} multiply-adds ({multiply_adds / 1e6:.1f} M)")
    if statistics:
        print_line(f"Stored beside them, and not counted: {statistics:,} batch-norm means and variances.")
