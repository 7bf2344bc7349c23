"""From a trained model to files: each target is emitted, compared with its source, and only then an artifact."""

from __future__ import annotations

from pathlib import Path

from edgecompress.child.kept import kept, start
from edgecompress.convert.checking import Checking
from edgecompress.convert.emitters import emit
from edgecompress.convert.making import Making, Source
from edgecompress.convert.targets import Options, Target
from edgecompress.convert.tflite.check import check_tflite
from edgecompress.convert.tflite.post_training import Calibration
from edgecompress.errors import ConversionError, RuntimeRefusal
from edgecompress.progress import Progress, silent
from edgecompress.runtimes.process import RUNTIME
from edgecompress.storage import sha256_of, written_whole
from edgecompress.values import Artifact

DEFAULTS = Options()


def convert(
    source: Source,
    targets: tuple[Target, ...],
    folder: Path,
    *,
    options: Options = DEFAULTS,
    calibration: Calibration | None = None,
    on_progress: Progress = silent,
) -> tuple[Artifact, ...]:
    """Emit the source for each target as `folder/<variant>.<precision>.<format>`; what is shared is computed once.

    `calibration` holds an array of samples for each input. Every file is compared with the source before it counts.
    Files with integer inputs and outputs are named after them: `<variant>.<precision>.io-<io>.<format>`.

    Raises:
        ConversionError: a converter refuses the model, the file breaks a rule of its operators, the runtime refuses it,
            or it computes something else than the source does; then no file is left.
    """
    making = Making(source, options, calibration)
    making.check(targets)
    artifacts = []
    with kept(), Checking(making) as checking:
        start(RUNTIME)
        for index, target in enumerate(targets):
            on_progress(f"converting {source.variant} to {target}", index, len(targets))
            artifacts.append(_emit(making, checking, target, folder))
    on_progress(f"converted {source.variant}", len(targets), len(targets))
    return tuple(artifacts)


def _emit(making: Making, checking: Checking, target: Target, folder: Path) -> Artifact:
    source = making.source
    path = folder / making.file_name(target)
    content = emit(making, target)
    unchecked = check_tflite(content) if target.format == "tflite" else ()
    with written_whole(path) as beside:
        beside.write_bytes(content)
        try:
            compared = checking.compared(target, beside)
        except RuntimeRefusal as error:
            said = error.message.replace(beside.name, path.name)
            where = checking.where_it_stops(target, beside)
            raise ConversionError(
                f"The {target} file of '{source.variant}' converts, but does not run: {said} "
                f"{f'It stops in {where}. ' if where else ''}Nothing was kept.",
                hint="Leave that layer out with --keep-float, or emit another target." if where else error.hint,
            ) from error
    return Artifact(
        path=str(path),
        target=str(target),
        variant=source.variant,
        inputs=compared.inputs,
        outputs=compared.outputs,
        size_bytes=len(content),
        sha256=sha256_of(path),
        preprocessing=source.preprocessing,
        origin=source.origin,
        float_layers=making.float_layers(target),
        agreement=compared.agreement,
        warnings=making.warnings(target) + unchecked + compared.warnings,
        assumptions=source.assumptions,
    )
