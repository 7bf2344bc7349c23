"""A run on real digits whose kernels are made of codebooks: these are written, and read back for packing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecompress.loading import load_model
from edgecompress.numerics.generated.vector_codebook import VectorCodebook
from edgecompress.pipeline.pack import generators_of
from edgecompress.pipeline.train import train
from edgecompress.recipes import load_recipe
from edgecompress.runs.generators import read_generators, write_generators

RECIPE = """
[model]
architecture = "lenet_300_100"
resolution = 8

[data]
name = "digits"

[train]
epochs = 1
batch_size = 64

[[compress]]
method = "product_quantization"
options = {words = 16, length = 4}
"""


def test_a_run_keeps_the_codebooks_that_its_kernels_decode_from(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    run = train(load_recipe(path), tmp_path / "run")
    written = run.path / "models" / "compressed.generators.npz"
    model = load_model(run.model("compressed"))
    found = read_generators(written)
    assert list(found) == ["fc1", "fc2"]  # the last layer has fewer outputs than words
    for name, generator in found.items():
        np.testing.assert_array_equal(generator.decode().T, model.get_layer(name).get_weights()[0])
    packable, notes = generators_of(run.artifacts / "compressed.tflite")
    assert [generator.name for generator in packable] == ["fc1", "fc2"] and notes == ()
    assert generators_of(run.artifacts / "dense.tflite") == ((), ())
    larger = VectorCodebook(np.zeros((1, 2, 257, 4), np.float32), np.zeros((1, 2, 300), np.uint16))
    write_generators(written, {"fc1": larger, "fc2": found["fc2"]})
    packable, notes = generators_of(run.artifacts / "compressed.tflite")
    assert [generator.name for generator in packable] == ["fc2"]
    assert len(notes) == 1 and "fc1" in notes[0] and "257 words" in notes[0]
