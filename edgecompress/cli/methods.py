"""`edgecompress methods`."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from typing import Any

import rich_click as click

from edgecompress.cli.output import json_option, print_json, print_line, print_table


@click.command("methods")
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the compression methods, or show NAME: its equation, its options, and what it keeps of earlier ones.

    Example: edgecompress methods magnitude_pruning
    """
    from edgecompress.methods import METHODS, find

    described = [_describe(method) for method in (METHODS if name is None else (find(name),))]
    if as_json:
        print_json(described if name is None else described[0])
    elif name is None:
        rows = [[each["name"], each["summary"], ", ".join(each["options"]), each["paper"]] for each in described]
        print_table("Methods", ["name", "what it does", "options", "paper"], rows)
    else:
        _print(described[0])


def _describe(method: Any) -> dict[str, Any]:
    from edgecompress.methods.step import MEANING

    traits = method.traits
    return {
        "name": method.name,
        "summary": method.summary,
        "paper": method.paper,
        "description": inspect.getdoc(method),
        "trains": traits.trains,
        "makes": list(traits.makes),
        "keeps": list(traits.keeps),
        "joins": traits.joins,
        "options": {
            field.name: {
                "type": str(field.type),
                "default": field.default_factory() if field.default_factory is not MISSING else field.default,
                "meaning": field.metadata[MEANING],
            }
            for field in fields(method)
        },
    }


def _print(method: dict[str, Any]) -> None:
    print_line(f"{method['name']} ({method['paper']})\n\n{method['description']}\n")
    rows = [
        [name, option["type"], repr(option["default"]), option["meaning"]] for name, option in method["options"].items()
    ]
    if rows:
        print_table("Options", ["option", "type", "default", "meaning"], rows)
    training = "It trains" if method["trains"] else "It trains nothing"
    makes, keeps = (" and ".join(method[kind]) or "nothing" for kind in ("makes", "keeps"))
    print_line(f"{training}, makes {makes}, and keeps {keeps} of earlier methods in the layers that it treats.")
    if method["trains"]:
        company = "can" if method["joins"] else "cannot"
        print_line(f"It {company} be trained together with others.")
    numbers = [
        f"{name}={option['default']!r}"
        for name, option in method["options"].items()
        if isinstance(option["default"], int | float) and not isinstance(option["default"], bool)
    ]
    print_line(f"Use: edgecompress train ARCHITECTURE --method '{method['name']}({', '.join(numbers[:1])})'")
