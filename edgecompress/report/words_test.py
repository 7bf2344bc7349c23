from edgecompress.recipes import build_recipe
from edgecompress.report.words import in_words, title

SMALL = {"model": {"architecture": "mobilenet_v1"}, "data": {"name": "digits"}}


def test_a_whole_recipe_in_words() -> None:
    recipe = build_recipe(
        {
            "model": {"architecture": "mobilenet_v1", "resolution": 32, "options": {"width": 0.25}},
            "data": {"name": "fashion_mnist"},
            "train": {"epochs": 1, "warmup_epochs": 1, "seed": 7},
            "compress": [
                {"method": "magnitude_pruning", "epochs": 4, "layers": "conv_.*", "options": {"sparsity": 0.8}},
                {"method": "quantization_aware_training", "epochs": 1},
            ],
            "convert": {"targets": ["tflite:int8"], "io": "int8", "keep_float": "predictions", "sparse": True},
        }
    )
    assert title(recipe) == "mobilenet_v1 on fashion_mnist"
    assert in_words(recipe) == {
        "Model": "mobilenet_v1 (resolution 32, width 0.25)",
        "Data": "fashion_mnist",
        "Training": "1 epoch, batches of 128, peak learning rate 0.002 after 1 epoch of warm-up, seed 7",
        "Method 1": "magnitude_pruning (sparsity 0.8), 4 epochs, peak learning rate 0.001, "
        "only layers that match conv_.*",
        "Method 2": "quantization_aware_training, 1 epoch, peak learning rate 0.001",
        "Conversion": "to tflite:int8; inputs and outputs of int8 files int8, ranges from 200 training images, "
        "layers that match predictions stay float, zeros stored sparsely",
    }


def test_what_was_not_chosen_is_not_mentioned() -> None:
    words = in_words(build_recipe(SMALL))
    assert words["Model"] == "mobilenet_v1"
    assert not any(subject.startswith("Method") for subject in words)
    assert words["Conversion"].endswith("ranges from 200 training images")


def test_methods_that_are_trained_together_are_one_phrase() -> None:
    step = {"method": "iterative_pruning", "epochs": 3, "layers": "conv.*", "together": [{"method": "kmeans_sharing"}]}
    assert in_words(build_recipe({**SMALL, "compress": [step]}))["Method 1"] == (
        "trained together, 3 epochs, peak learning rate 0.001: iterative_pruning, only layers that match conv.*; "
        "kmeans_sharing"
    )
