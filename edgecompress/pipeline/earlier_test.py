"""Runs that an earlier version trained, of Keras 2, are converted, verified, reported and packed; and not resumed.

The runs are of version 0.1.0: `train bnn_mlp --units 16 --resolution 8 --data digits --epochs 12` with
`--method 'bnn(epochs=12)'`, and with `--method 'magnitude_pruning(sparsity=0.5, epochs=6)'
--method 'quantization_aware_training(epochs=4)'`; then converted and verified.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgecompress.convert.targets import Options, parse_target
from edgecompress.errors import RunFolderError
from edgecompress.pipeline.convert import convert_run
from edgecompress.pipeline.pack import pack_model
from edgecompress.pipeline.train import train
from edgecompress.pipeline.verify import verify_run
from edgecompress.recipes import load_recipe
from edgecompress.report.collect import collect
from edgecompress.runs.folder import RunFolder
from edgecompress.storage import from_json
from edgecompress.verification import Verification

TESTDATA = Path(__file__).parent / "testdata"
TARGETS = {
    "binary": ("tflite:float32", "tflite:binary", "onnx:binary"),
    "quantized": ("tflite:float32", "tflite:int8", "onnx:int8"),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_a_run_of_an_earlier_version_is_read(kind: str, tmp_path: Path) -> None:
    shutil.copytree(TESTDATA / f"run_format_1_{kind}", tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    before = from_json(Verification, run.path / "verification.json")
    artifacts = {artifact.path: artifact for artifact in run.read_artifacts()}
    again = convert_run(run, tuple(map(parse_target, TARGETS[kind])), options=Options())
    assert {artifact.path for artifact in again} == set(artifacts)
    verified = verify_run(run)
    # The same weights on the same images, by another order of sums at most; a binary sum near 0 may turn by that.
    for name, accuracy in before.keras.items():
        assert verified.keras[name].percent == pytest.approx(accuracy.percent, abs=100 * 2 / accuracy.samples)
    found = {accuracy.artifact: accuracy.accuracy.percent for accuracy in verified.artifacts}
    for accuracy in before.artifacts:
        assert found[accuracy.artifact] == pytest.approx(accuracy.accuracy.percent, abs=100 * 4 / 359)
    assert len(collect(run).rows) == len(again)
    packed = pack_model(run.path / again[-1].path, tmp_path / "packed.ecpk")
    assert np.all((tmp_path / "packed.ecpk").stat().st_size > 0) and packed


def test_its_training_is_not_gone_on_with(tmp_path: Path) -> None:
    shutil.copytree(TESTDATA / "run_format_1_quantized", tmp_path / "run")
    with pytest.raises(RunFolderError, match="holds a run of an earlier version"):
        train(load_recipe(tmp_path / "run" / "recipe.toml"), tmp_path / "run", resume=True)
