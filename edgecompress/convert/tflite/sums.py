"""Sums and differences of 16-bit codes, by the kernel that takes any scales.

LiteRT has two kernels for them. Under the schema's default, `pot_scale_int16`, scales that are all within 1e-3 octaves
of a power of two choose an older one, which shifts codes: it refuses a result finer than an input, and two inputs of
which neither has the result's scale. A clipped activation often has such a scale, as [0, 1] does: 1 / 32767.
"""

from __future__ import annotations

from edgecompress.convert.tflite.editor import Editor

_OPTIONS = {"ADD": "AddOptions", "SUB": "SubOptions"}


def with_any_scales(content: bytes) -> bytes:
    """Return the file with `pot_scale_int16` off in each ADD and SUB of int16."""
    editor = Editor(content)
    schema, changed = editor.schema, False
    for operator in editor.graph.operators:
        table = _OPTIONS.get(editor.kind(operator))
        if table is None or editor.graph.tensors[operator.outputs[0]].type != schema.TensorType.INT16:
            continue
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
        operator.builtinOptions = operator.builtinOptions or getattr(schema, f"{table}T")()
        operator.builtinOptions.potScaleInt16 = False
        changed = True
    return editor.content() if changed else content
