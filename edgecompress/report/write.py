"""A run's report, written into the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompress.progress import Progress, silent
from edgecompress.report.collect import collect
from edgecompress.report.content import Content
from edgecompress.report.plots.drawing import label, style, to_png, to_svg
from edgecompress.report.plots.scatter import latency_points, scatter, size_points
from edgecompress.report.plots.training_curves import training_curves
from edgecompress.report.render import to_html, to_markdown
from edgecompress.runs.folder import RunFolder
from edgecompress.runs.working import alone
from edgecompress.storage import to_json, write_bytes

FOLDER = "report"


@dataclass(frozen=True)
class Report:
    """What a report says, and its files by name."""

    content: Content
    paths: dict[str, Path]  # "report.json" and so on to where it lies

    @property
    def html_path(self) -> Path:
        """The page."""
        return self.paths["report.html"]

    @property
    def markdown_path(self) -> Path:
        """The same for a README or a terminal."""
        return self.paths["report.md"]

    def document(self) -> dict[str, Any]:
        """Return what report.json holds, and where the files lie."""
        return {**vars(self.content), "paths": {name: str(path) for name, path in self.paths.items()}}


@alone
def write_report(run: RunFolder, *, on_progress: Progress = silent) -> Report:
    """Write report.json, report.md, report.html, and tradeoff.png and latency.png where there is what they show.

    The same run gives the same bytes. A plot of an earlier report that can no longer be drawn is removed.

    Raises:
        RunFolderError: there are no artifacts, or the run is damaged or cannot be written.
    """
    content = collect(run, on_progress=on_progress)
    images, drawings = _draw(content)
    files = {
        "report.json": to_json(content).encode(),
        "report.md": to_markdown(content, plots={Path(name).stem: name for name in images}).encode(),
        "report.html": to_html(content, plots=drawings).encode(),
        **images,
    }
    folder = run.path / FOLDER
    for name, data in files.items():
        write_bytes(folder / name, data)
    for name in {"tradeoff.png", "latency.png"} - set(images):
        (folder / name).unlink(missing_ok=True)
    return Report(content, {name: folder / name for name in files})


def _draw(content: Content) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the PNG files, and the same plots and the training curves as `<svg>` elements."""
    images, drawings = {}, {}
    dense = content.verification.dense() if content.verification else None
    first = content.settings[0] if content.settings else ""
    with style():
        for name, points, x_label in (
            ("tradeoff", size_points(content), "size after zstd -19, KiB"),
            ("latency", latency_points(content), f"p50 latency, ms ({label(str(first))})"),
        ):
            if points:
                figure = scatter(
                    points, x_label=x_label, dense_accuracy=dense.percent if dense else None, metric=content.metric
                )
                images[f"{name}.png"], drawings[name] = to_png(figure), to_svg(figure, name=name)
        if content.history:
            drawings["training"] = to_svg(training_curves(content.history, content.metric), name="training")
    return images, drawings
