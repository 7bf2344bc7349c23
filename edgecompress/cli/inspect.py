"""`edgecompress inspect`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from edgecompress.cli.output import json_option, kib, print_json, print_line, print_table, shown

if TYPE_CHECKING:
    from edgecompress.formats.summary import LayerSummary, ModelSummary
    from edgecompress.values import QuantScheme, TensorSpec


WARNINGS = 10  # that are printed


@click.command("inspect")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--variant", default="", help="Which model of a run: dense or compressed.  [default: the last one]")
@json_option
def command(file: Path, variant: str, as_json: bool) -> None:
    """Show what is in FILE, a .tflite, .onnx, .h5 or .keras model or a run's, without running it.

    Parameters are trained numbers (batch-norm gamma and beta, not its statistics); multiply-adds are those of
    convolutions and matrix products for one input. Sparsity is the share of zeros in the kernels.

    Example: edgecompress inspect runs/m1/artifacts/compressed.int8.tflite
    """
    from dataclasses import asdict

    from edgecompress.formats.read import read_model
    from edgecompress.formats.sizes import compressed_sizes

    file = _model_of(file, variant)
    model, sizes = read_model(file), compressed_sizes(file)
    embedded, operators = _embedded(model), Counter(layer.kind for layer in model.layers)
    weights, zeros = sum(layer.weights for layer in model.layers), sum(layer.zero_weights for layer in model.layers)
    if as_json:
        print_json(
            {
                "file": str(file),
                "format": model.format,
                "size": asdict(sizes),
                "inputs": model.inputs,
                "outputs": model.outputs,
                "operators": dict(operators.most_common()),
                "parameters": model.parameters,
                "multiply_adds": model.multiply_adds,
                "uncounted_layers": [layer.name for layer in model.layers if _is_uncounted(layer)],
                "weights": weights,
                "zero_weights": zeros,
                "sparsity": zeros / weights if weights else None,
                "layers": [{**asdict(layer), "sparsity": _sparsity(layer)} for layer in model.layers],
                "embedded": embedded,
                "metadata": model.metadata,
                "warnings": model.warnings,
            }
        )
        return
    columns = ["format", "raw KiB", "gzip -9 KiB", "zstd -19 KiB"]
    print_table(shown(file.name), columns, [[model.format, *(kib(size) for size in asdict(sizes).values())]])
    specs = [("input", spec) for spec in model.inputs] + [("output", spec) for spec in model.outputs]
    print_table("Inputs and outputs", ["", "name", "shape", "type", "quantization"], [_io_row(*each) for each in specs])
    rows = [[shown(kind), str(count)] for kind, count in operators.most_common()]
    print_table("Operators", ["kind", "count"], rows)
    columns = ["layer", "kind", "output", "parameters", "multiply-adds", "weight bits", "sparsity %"]
    print_table("Layers", columns, [_layer_row(layer) for layer in model.layers])
    print_line(f"{model.parameters:,} parameters; {_total_work(model)}")
    print_line(f"Kernels: {weights:,} weights, {zeros:,} of them zero ({100 * zeros / max(weights, 1):.2f} %)")
    for name, text in _about(model, embedded).items():
        print_line(f"{shown(name)}: {shown(text, 200)}")
    for warning in model.warnings[:WARNINGS]:
        print_line(f"Warning: {shown(warning, 200)}")
    if more := len(model.warnings) - WARNINGS if len(model.warnings) > WARNINGS else 0:
        print_line(f"{more} more warnings; `--json` has them all.")


def _model_of(path: Path, variant: str) -> Path:
    """Return a run's model of the variant, or the file that was given."""
    from edgecompress.errors import RunFolderError
    from edgecompress.runs.folder import open_run

    if not path.is_dir():
        if variant:
            raise click.UsageError(f"--variant is for run folders, and '{path}' is none.")
        return path
    run = open_run(path)
    trained = run.variants()
    if not trained or (variant and variant not in trained):
        raise RunFolderError(
            f"'{path}' has no {variant or 'trained'} model.",
            hint=f"It has: {', '.join(trained)}." if trained else f"Run `edgecompress train ... --out {path}` first.",
        )
    return run.model(variant or trained[-1])


def _io_row(side: str, spec: TensorSpec) -> list[str]:
    return [side, shown(spec.name), _shape(spec.shape), shown(spec.dtype), _quantization(spec.quant)]


def _layer_row(layer: LayerSummary) -> list[str]:
    sparsity = _sparsity(layer)
    return [
        shown(f"{layer.graph}: {layer.name}" if layer.graph else layer.name),
        shown(layer.kind),
        _shape(layer.output_shape),
        f"{layer.parameters:,}" if layer.parameters else "",
        "-" if _is_uncounted(layer) else f"{layer.multiply_adds:,}" if layer.multiply_adds else "",
        str(layer.weight_bits or ""),
        "" if sparsity is None else f"{100 * sparsity:.1f}",
    ]


def _sparsity(layer: LayerSummary) -> float | None:
    return layer.zero_weights / layer.weights if layer.weights else None


def _is_uncounted(layer: LayerSummary) -> bool:
    """Whether it may do multiply-adds that the file does not tell, such as those that depend on free axes."""
    free = -1 in layer.output_shape[1:] or layer.output_shape == (-1,)  # the latter: not known at all
    return layer.uncounted or (layer.weight_bits is not None and not layer.multiply_adds and free)


def _total_work(model: ModelSummary) -> str:
    uncounted = sum(map(_is_uncounted, model.layers))
    why = "which depend on free axes, run nobody knows how often, or compute what is not known"
    without = f", without those of {uncounted} layers (-), {why}" if uncounted else ""
    return f"{model.multiply_adds:,} multiply-adds{without}"


def _quantization(quant: QuantScheme | None) -> str:
    if quant is None:
        return "-"
    if quant.axis is None:
        return f"scale {quant.scales[0]:.6g}, zero point {quant.zero_points[0]}"
    return f"{len(quant.scales)} scales along axis {quant.axis}"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join("?" if length < 0 else str(length) for length in shape) or "scalar"


def _embedded(model: ModelSummary) -> dict[str, Any] | None:
    """What edgecompress wrote into the file; None if there is nothing, or nothing of the expected form."""
    from edgecompress.convert.embedded import METADATA_KEY

    try:
        value = json.loads(model.metadata.get(METADATA_KEY, "null"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _about(model: ModelSummary, embedded: dict[str, Any] | None) -> dict[str, str]:
    """The metadata as lines, with what is embedded taken apart."""
    from edgecompress.convert.embedded import METADATA_KEY

    lines = {name: text for name, text in model.metadata.items() if name != METADATA_KEY and text}
    if embedded is not None:
        preprocessing = embedded.get("preprocessing")
        fields = preprocessing.items() if isinstance(preprocessing, dict) else ()
        lines["target"] = str(embedded.get("target"))
        lines["preprocessing"] = ", ".join(f"{name} {value}" for name, value in fields) or "none"
    return lines
