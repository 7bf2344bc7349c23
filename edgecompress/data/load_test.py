import subprocess
import sys

import pytest

from edgecompress.data import DATA_SETS, load
from edgecompress.errors import DataError


def test_data_sets_are_listed_in_a_fixed_order_under_the_names_of_their_files():
    forms = [loader.form for loader in DATA_SETS]
    assert forms == ["digits", "mnist", "fashion_mnist", "cifar10", "folder:PATH", "csv:PATH", "npz:PATH"]
    assert [loader.read.__module__.rpartition(".")[2] for loader in DATA_SETS] == [loader.name for loader in DATA_SETS]


def test_an_unknown_name_is_answered_with_the_nearest_and_all_others():
    with pytest.raises(DataError) as refused:
        load("fashion-mnist")
    assert refused.value.hint == "Did you mean fashion_mnist?"
    for loader in DATA_SETS:
        assert loader.form in refused.value.message


def test_a_path_alone_is_answered_with_how_to_write_it(tmp_path):
    with pytest.raises(DataError, match=f"write folder:{tmp_path}"):
        load(str(tmp_path))
    with pytest.raises(DataError, match=r"write npz:set\.npz"):
        load("set.npz")


@pytest.mark.parametrize("spec", ["folder", "folder:", "npz:", "digits:", "digits:7", "mnist:/somewhere"])
def test_a_path_is_given_where_one_is_taken_and_only_there(spec):
    with pytest.raises(DataError, match=f"Expected .* for a data set; got '{spec}'"):
        load(spec)


@pytest.mark.parametrize("wrong", [{"channels": 2}, {"channels": 4}, {"size": (4, 0)}])
def test_other_channels_and_sizes_are_refused(wrong):
    with pytest.raises(DataError, match="1 or 3 channels"):
        load("digits", **wrong)


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, edgecompress.data, edgecompress.data.calibration;"
        "print([name for name in ('tensorflow', 'tf_keras', 'sklearn', 'PIL') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_tensorflow_is_never_needed():
    code = (
        "import sys; from edgecompress.data.calibration import read_calibration;"
        "from edgecompress.values import Preprocessing; read_calibration('digits:5', Preprocessing(8, 8, 1));"
        "print('tensorflow' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
