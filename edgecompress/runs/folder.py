"""The run folder: where each thing of a run lies."""

from __future__ import annotations

import json
import platform
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompress.errors import RunFolderError
from edgecompress.runs.versions import versions
from edgecompress.storage import from_json, is_part, sha256_of, to_json, write_text
from edgecompress.values import (
    Artifact,
    DataRecord,
    InstructionCount,
    Intake,
    LayerNote,
    Measurement,
    Sustained,
)

FORMAT = 2  # of the folder; 1 held models of Keras 2 alone, and its manifest does not say so


@dataclass(frozen=True)
class RunFolder:
    """A folder with the resolved recipe, the history, the models, the artifacts and what was measured."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.toml"

    @property
    def history(self) -> Path:
        """One JSON line an epoch."""
        return self.path / "history.jsonl"

    @property
    def checkpoints(self) -> Path:
        """One folder a stage and what determines it, with last.npz."""
        return self.path / "checkpoints"

    @property
    def artifacts(self) -> Path:
        """The emitted files."""
        return self.path / "artifacts"

    @property
    def packed(self) -> Path:
        """The packed ones among them."""
        return self.path / "packed"

    @property
    def manifest(self) -> Path:
        """Versions, machine and the hash of every file of the run."""
        return self.path / "manifest.json"

    def model(self, variant: str) -> Path:
        """Return where the Keras model of a variant lies; "compressed.qat" is the one with fake quantization.

        Those that TF-MOT trains are of Keras 2, in HDF5, and so are all in runs of format 1.
        """
        path = self.path / "models" / f"{variant}.h5"
        return path if path.exists() else path.with_name(f"{variant}.keras")

    def kept_model(self, variant: str, suffix: str) -> Path:
        """Return where the copy of a lone model file lies, in the form in which `model` looks for it."""
        return self.path / "models" / f"{variant}{'.keras' if suffix == '.keras' else '.h5'}"

    @property
    def format(self) -> int:
        """The number of the folder's format.

        Raises:
            RunFolderError: the manifest is damaged.
        """
        if not self.manifest.exists():
            return FORMAT
        found = from_json(dict[str, Any], self.manifest).get("format", 1)
        return found if isinstance(found, int) else 1

    def variants(self) -> tuple[str, ...]:
        """Return the variants that were trained, the dense one first."""
        return tuple(name for name in ("dense", "compressed") if self.model(name).exists())

    def write(self, name: str, value: Any) -> None:
        """Write a value as `name`.json and, if this is the folder of a run, the manifest anew."""
        write_text(self.path / f"{name}.json", to_json(value))
        if self.recipe.exists():
            self._write_manifest()

    def intake(self) -> Intake:
        """Read how the models take what a data set holds."""
        return from_json(Intake, self._existing("preprocessing.json", "train"))  # type: ignore[arg-type]

    def read_history(self) -> list[dict[str, Any]]:
        """Read the record of each epoch."""
        return [json.loads(line) for line in self._existing("history.jsonl", "train").read_text().splitlines()]

    def notes(self) -> list[LayerNote]:
        """Read what the methods did, layer by layer."""
        return from_json(list[LayerNote], self._existing("notes.json", "train"))

    def read_data(self) -> DataRecord:
        """Read which images it was trained on."""
        return from_json(DataRecord, self._existing("data.json", "train"))

    def read_artifacts(self) -> list[Artifact]:
        """Read what was emitted."""
        return from_json(list[Artifact], self._existing("artifacts.json", "convert"))

    def read_measurements(self) -> list[Measurement]:
        """Read what was measured."""
        return from_json(list[Measurement], self._existing("measurements.json", "profile"))

    def read_instructions(self) -> list[InstructionCount]:
        """Read what was counted on emulated processors."""
        return from_json(list[InstructionCount], self._existing("instructions.json", "profile"))

    def read_sustained(self) -> list[Sustained]:
        """Read what was measured without a pause."""
        return from_json(list[Sustained], self._existing("sustained.json", "profile"))

    def artifact_path(self, artifact: Artifact) -> Path:
        """Return where an artifact lies.

        Raises:
            RunFolderError: it is outside the run, gone, or not the file that was converted.
        """
        path = self.path / artifact.path
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise RunFolderError(f"'{artifact.path}' in artifacts.json is not in the run '{self.path}'.")
        if not path.is_file() or sha256_of(path) != artifact.sha256:
            what = "was changed since it was converted" if path.is_file() else "is missing"
            raise RunFolderError(
                f"'{path}' {what}.", hint=f"Make it anew: edgecompress convert {shlex.quote(str(self.path))} --to ..."
            )
        return path

    def strays(self) -> list[str]:
        """Return the files among the artifacts that artifacts.json does not list, but for hidden ones.

        Those of a lone model lie in the folder itself, among others.
        """
        known = {self.path / artifact.path for artifact in self.read_artifacts()}
        emitted = [*self.artifacts.rglob("*"), *self.path.glob("*.tflite"), *self.path.glob("*.onnx")]
        found = [path for path in sorted(emitted) if path.is_file() and path not in known]
        return [str(path.relative_to(self.path)) for path in found if not path.name.startswith(".")]

    def has(self, name: str) -> bool:
        """Return whether `name`.json was written."""
        return (self.path / f"{name}.json").exists()

    def _write_manifest(self) -> None:
        """Write versions, machine, data, and the SHA-256 of every file that a later command does not write anew."""
        skipped = (self.checkpoints, self.manifest, self.path / "report")
        files = [
            file
            for file in sorted(self.path.rglob("*"))
            if file.is_file() and not is_part(file) and not any(file.is_relative_to(place) for place in skipped)
        ]
        data = {"data": self.read_data()} if self.has("data") else {}
        write_text(
            self.manifest,
            to_json(
                {
                    "format": FORMAT,
                    "versions": versions(),
                    "machine": platform.platform(),
                    **data,
                    "files": {str(file.relative_to(self.path)): sha256_of(file) for file in files},
                }
            ),
        )

    def _existing(self, name: str, command: str) -> Path:
        file = self.path / name
        if not file.exists():
            words = f"edgecompress {command} {shlex.quote(str(self.path))}"
            raise RunFolderError(f"'{self.path}' has no {name}.", hint=f"Run `{words}` first.")
        return file


def open_run(path: Path) -> RunFolder:
    """Return the run folder at `path`.

    Raises:
        RunFolderError: it is not one.
    """
    folder = RunFolder(path)
    if (path / "saved_model.pb").exists():
        raise RunFolderError(
            f"'{path}' is a SavedModel, whose graph is TensorFlow's and no longer Keras's.",
            hint="Save the Keras model that it was made from: model.save('model.keras').",
        )
    if not path.is_dir() or not (folder.recipe.exists() or folder.has("artifacts")):
        raise RunFolderError(
            f"'{path}' is not a run folder: there is no recipe.toml in it.",
            hint="`edgecompress train ... --out FOLDER` makes one.",
        )
    return folder
