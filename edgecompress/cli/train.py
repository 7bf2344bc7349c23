"""`edgecompress train`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import rich_click as click
from click.core import ParameterSource

from edgecompress.cli.architecture import OWNERS, architecture_options, chosen
from edgecompress.cli.numbers import SEED, Finite
from edgecompress.cli.output import json_option, print_json, print_line, print_table, progress_bars

MOST_EPOCHS = 100_000
SHORT_FORMS = ("prune", "n_of_m", "prune_latency", "cluster", "binary", "qat")  # each of them is a method
LAYERWISE = ("prune", "n_of_m", "prune_latency", "cluster", "binary")
NEEDS = {  # option: those of which one must be given too
    "prune_schedule": ("prune", "prune_latency"),
    "block": ("prune",),
    "layers": LAYERWISE,
    "keep_float": ("qat", "binary"),
}
OF_STEP = ("layers", "epochs", "learning_rate", "repeat")  # beside the options of the method itself
AUGMENTATION = ("shift", "crop", "flip", "colour")
OF_TRAINING = ("epochs", "batch_size", "learning_rate", "warmup_epochs", "seed", *AUGMENTATION)
MODEL_FILES = (".keras", ".h5", ".hdf5")
BINARY = {"xnor": "xnor_net", "bnn": "bnn", "binary_connect": "binary_connect", "bwn": "bwn"}  # option: method


@click.command("train")
@click.argument("network", metavar="ARCHITECTURE|FILE")
@architecture_options
@click.option("--resolution", type=int, help="Side of the square input in pixels.  [default: the architecture's]")
@click.option("--channels", type=int, help="Channels of the input.  [default: the data's]")
@click.option("--weights", default="", help="'imagenet', or a file to start from.")
@click.option(
    "--input-range",
    type=Finite(),
    nargs=2,
    help="What FILE expects pixels 0..255 to be mapped to.  [default: what its first layer tells]",
)
@click.option("--new-head", type=click.IntRange(1), metavar="OUTPUTS", help="Give FILE a new classifier, or other end.")
@click.option(
    "--freeze",
    metavar="REGEX",
    help="Layers that --epochs leave as they are.  [default: with --new-head, all others]",
)
@click.option(
    "--unfreeze-epochs",
    type=click.IntRange(0, MOST_EPOCHS),
    help="Epochs after these, with all layers, at a tenth of the learning rate.  [default: 0; with --new-head 4]",
)
@click.option(
    "--early-stopping",
    type=click.IntRange(1, MOST_EPOCHS),
    metavar="EPOCHS",
    help="End the dense model's training after so many epochs without a better one, and take the best.",
)
@click.option(
    "--loss",
    default="",
    metavar="LOSS",
    help="What is minimized: categorical_crossentropy, squared_hinge, binary_crossentropy, mean_squared_error, "
    "mean_absolute_error or huber.  [default: as FILE was compiled, or as the labels look]",
)
@click.option("--class-weights", type=click.Choice(["balanced"]), help="Let rare classes count as much as others.")
@click.option("--data", "data_name", default="digits", show_default=True, help="Data set: digits, fashion_mnist, ...")
@click.option("--data-dir", default="", help="Where to look for the data first.")
@click.option(
    "--fit",
    type=click.Choice(["stretch", "crop", "letterbox"]),
    default="stretch",
    show_default=True,
    help="How images of another shape get the model's: stretched, their middle, or all of them with black beside.",
)
@click.option(
    "--epochs",
    type=click.IntRange(0, MOST_EPOCHS),
    default=8,
    help="Epochs of the dense model.  [default: 8; of FILE 2, with --new-head 8]",
)
@click.option(
    "--finetune-epochs",
    type=click.IntRange(1, MOST_EPOCHS),
    help="Epochs of each method.  [default: half of --epochs; of FILE 4]",
)
@click.option("--batch-size", type=click.IntRange(1, 1 << 20), default=128, show_default=True)
@click.option(
    "--learning-rate",
    type=Finite(),
    default=2e-3,
    help="Peak; each method trains at half.  [default: 0.002; of FILE 0.0002, each method at 0.001]",
)
@click.option("--warmup-epochs", type=Finite(0), default=0.5, show_default=True)
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--shift", type=click.IntRange(0, 1024), default=0, help="Shift images by up to so many pixels.")
@click.option("--crop", type=Finite(0.1, 1), default=1.0, help="Crop images to this share of each side, at the least.")
@click.option("--flip", is_flag=True, help="Mirror every other image.")
@click.option("--colour", type=Finite(0, 1), default=0.0, help="Change brightness and contrast by up to this share.")
@click.option(
    "--method",
    "methods",
    multiple=True,
    metavar="METHOD",
    help="'NAME(option=value, layers=\"...\", epochs=3)', repeated, in order, or joined by & to be trained as one; "
    "`edgecompress methods` lists them.",
)
@click.option("--prune", type=Finite(), help="Zero this share of every kernel, such as 0.8.")
@click.option(
    "--prune-schedule", type=click.Choice(["polynomial", "constant"]), default="polynomial", show_default=True
)
@click.option("--n-of-m", default="", help="Prune to a pattern such as 2:4.")
@click.option("--block", type=int, nargs=2, help="Prune whole blocks of rows x columns of dense kernels.")
@click.option("--prune-latency", type=Finite(), help="Prune only what XNNPACK runs sparse; refused where it cannot.")
@click.option("--cluster", type=int, help="Share this many values a kernel, such as 16.")
@click.option(
    "--layers", default="", help="Prune, cluster and make binary only layers whose name matches this pattern."
)
@click.option(
    "--binary",
    type=click.Choice(list(BINARY)),
    help="1-bit weights (bwn, binary_connect), or weights and activations (xnor, bnn).",
)
@click.option("--qat", is_flag=True, help="Quantization-aware training, after the other methods.")
@click.option("--keep-float", default="", help="Layers that --qat or --binary leaves float, a pattern.")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/ARCHITECTURE or FILE's name]")
@click.option("--resume", is_flag=True, help="Go on from the last finished epoch.")
@json_option
@click.pass_context
def command(
    context: click.Context, network: str, out: Path | None, resume: bool, as_json: bool, **options: Any
) -> None:
    """Train ARCHITECTURE on real data, or go on with the Keras model in FILE; then compress it by a chain of methods.

    Of a FILE its training is a short one, so as not to destroy what it can. With --new-head it is adapted to other
    classes: first the new classifier alone is trained, then everything.

    Examples: edgecompress train mobilenet_v1 --width 0.25 --resolution 32 --data fashion_mnist --prune 0.8 --qat

    edgecompress train my_model.keras --data folder:photos --prune 0.8 --qat

    edgecompress train my_model.keras --data folder:photos --new-head 5
    """
    from edgecompress.methods import find
    from edgecompress.methods.protocol import Kept
    from edgecompress.pipeline.networks.task import task_of_run
    from edgecompress.pipeline.train import train

    given = {name for name in options if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    _require_use(context, given)
    recipe = _recipe(network, options, given)
    folder = out or Path("runs") / (recipe.model.architecture or Path(network).stem)
    with progress_bars() as progress:
        run = train(recipe, folder, resume=resume, on_progress=progress, tell=progress.tell)
    history, notes = run.read_history(), run.notes()
    if as_json:
        print_json({"run": str(run.path), "history": history, "notes": notes})
        return
    rows = [
        [r["stage"], str(r["epoch"]), f"{r['loss']:.4f}", f"{r['accuracy']:.4f}", f"{r['held_out_accuracy']:.4f}"]
        for r in history
    ]
    metric = task_of_run(run).kind.value
    print_table("Training", ["stage", "epoch", "loss", metric, f"held-out {metric}"], rows)
    if notes:
        rows = [[n.layer, n.action, ", ".join(f"{k} {v:g}" for k, v in n.figures.items()), n.reason] for n in notes]
        print_table("Layers", ["layer", "what was done", "figures", "reason"], rows)
    precision = "binary" if any(Kept.SIGNS in find(step.method).traits.makes for step in recipe.compress) else "int8"
    path = shlex.quote(str(run.path))
    print_line(f"Next: edgecompress convert {path} --to tflite:{precision} --to onnx:{precision}")


def _require_use(context: click.Context, given: set[str]) -> None:
    """Refuse an option that was given and would change nothing, as what it belongs to was not."""
    for name, owners in NEEDS.items():
        if name in given and not given.intersection(owners):
            flag, *flags = (f"--{each.replace('_', '-')}" for each in (name, *owners))
            raise click.UsageError(f"{flag} changes nothing without {' or '.join(flags)}.", context)
    if "methods" in given and (short := [name for name in SHORT_FORMS if name in given]):
        flag = f"--{short[0].replace('_', '-')}"
        raise click.UsageError(f"{flag} beside --method leaves their order open; write all as --method.", context)
    if {"n_of_m", "prune"} <= given:
        raise click.UsageError("--prune and --n-of-m say the sparsity twice; give one of them.", context)


def _recipe(network: str, options: dict[str, Any], given: set[str]) -> Any:
    """Return the recipe that the options are a short form of; of a file only what was given, as defaults are others."""
    from edgecompress.recipes import build_recipe

    of_file = network.lower().endswith(MODEL_FILES)
    training = [name for name in OF_TRAINING if name in given or not of_file]
    if of_file:
        shared = {"epochs": options["finetune_epochs"] or 4}
        if "learning_rate" in given:
            shared["learning_rate"] = options["learning_rate"]
    else:
        epochs = options["finetune_epochs"] or max(1, options["epochs"] // 2)
        shared = {"epochs": epochs, "learning_rate": options["learning_rate"] / 2}
    of_model = ("resolution", "channels", "weights", "input_range", "new_head")
    rest = ("freeze", "unfreeze_epochs", "early_stopping", "class_weights", "loss")
    return build_recipe(
        {
            "model": {
                "file" if of_file else "architecture": network,
                **{name: options[name] for name in of_model if name in given},
                "options": chosen(**{name: options[name] for name in OWNERS}),
            },
            "data": {"name": options["data_name"], "directory": options["data_dir"], "fit": options["fit"]},
            "train": {name: options[name] for name in (*training, *given.intersection(rest))},
            "compress": [{**shared, **step} for step in (*map(_step, options["methods"]), *_steps(options))],
        }
    )


def _step(text: str) -> dict[str, Any]:
    """Return a step of the chain, written as a call."""
    from edgecompress.errors import MethodError
    from edgecompress.methods import find
    from edgecompress.methods.text import read_methods

    first, *others = (
        {"method": name, **{key: figures.pop(key) for key in OF_STEP if key in figures}, "options": figures}
        for name, figures in read_methods(text)
    )
    for other in others:
        if misplaced := [key for key in OF_STEP[1:] if key in other]:
            raise MethodError(
                f"{other['method']} got {misplaced[0]}, and is trained together with {first['method']}.",
                hint=f"Write {misplaced[0]} with the first of them; it is that of all.",
            )
    step = {**first, "together": others}
    return step if find(first["method"]).traits.trains else {"epochs": None, "learning_rate": None, **step}


def _steps(options: dict[str, Any]) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    layers = options["layers"]
    if options["prune"] is not None or options["n_of_m"]:
        figures = {"schedule": options["prune_schedule"], **chosen(sparsity=options["prune"])}
        if options["n_of_m"]:
            figures["n_of_m"] = options["n_of_m"]
        if options["block"]:
            figures["block"] = list(options["block"])
        steps.append({"method": "magnitude_pruning", "layers": layers, "options": figures})
    if options["prune_latency"] is not None:
        figures = {"schedule": options["prune_schedule"], "sparsity": options["prune_latency"]}
        steps.append({"method": "xnnpack_latency_pruning", "layers": layers, "options": figures})
    if options["cluster"] is not None:
        steps.append({"method": "weight_clustering", "layers": layers, "options": {"clusters": options["cluster"]}})
    if options["binary"]:
        figures = {"keep_float": options["keep_float"]} if options["keep_float"] else {}
        steps.append({"method": BINARY[options["binary"]], "layers": layers, "options": figures})
    if options["qat"]:
        figures = {"keep_float": options["keep_float"]} if options["keep_float"] else {}
        steps.append({"method": "quantization_aware_training", "options": figures})
    return steps
