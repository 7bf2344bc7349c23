"""Tables of image files: divided or not, of labels in any form, and what is wrong with them named by line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecompress.data import load
from edgecompress.errors import DataError


def table(folder: Path, text: str) -> str:
    """A table beside twelve images, each of the gray of its number."""
    for gray in range(12):
        Image.new("L", (4, 4), gray).save(folder / f"{gray}.png")
    (folder / "labels.csv").write_text(text)
    return f"csv:{folder / 'labels.csv'}"


def test_a_table_is_divided_four_to_one(tmp_path: Path) -> None:
    rows = "\n".join(f"{gray}.png,{'even' if gray % 2 == 0 else 'odd'}" for gray in range(12))
    dataset = load(table(tmp_path, f"Path,Label\n{rows}\n"))
    assert dataset.labels == ("even", "odd")
    assert [len(dataset.train), len(dataset.test)] == [10, 2]
    for split in (dataset.train, dataset.test):
        np.testing.assert_array_equal(split.images[:, 0, 0, 0] % 2, split.labels)


def test_a_column_divides_and_numbers_are_in_their_order(tmp_path: Path) -> None:
    kinds = {0: "Train", 1: "test", 2: "valid"}
    rows = "\n".join(f"{gray}.png,{10 * (gray // 6) + 2},{kinds[gray % 3]}" for gray in range(12))
    dataset = load(table(tmp_path, f"\ufefffilename,class,split\n{rows}\n"))
    assert dataset.labels == ("2", "12")
    assert [len(dataset.train), len(dataset.test), len(dataset.held_out)] == [4, 4, 4]
    assert dataset.held_out.images[:, 0, 0, 0].tolist() == [2, 5, 8, 11]
    assert dataset.test.labels.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has the columns none"),
        ("path,label\n", "has no row below its first"),
        ("path\n0.png\n", "has the columns path"),
        ("size,label\n3,a\n", "has the columns size, label"),
        ("path,size\n0.png,large\n", "line 2: 'large' is no number"),
        ("path,size,age\n0.png,3,\n", "line 2: there is no number in some column"),
        ("path,label\n0.png,a\n,b\n", "line 3: there is no path"),
        ("path,label\n0.png,\n", "line 2: there is no label"),
        ("path,label\n0.png\n", "line 2: there is no label"),
        ("path,label,split\n0.png,a,all\n", "line 2: 'all' is none of train, test, val"),
        ("path,label,split\n0.png,a,train\n1.png,b,train\n", "none to train or none to test"),
        ("path,label\n0.png,a\n99.png,b\n", r"not there: .*99\.png"),
        ("path,label\n0.png,a\n1.png,a\n", "needs at least two"),
        ("path,label\n0.png,a\n1.png,a\n2.png,b\n", "Class 'b' has 1 image"),
        ("path,label\n" + "x" * 200_000, "is no table"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        load(table(tmp_path, text))


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file"):
        load(f"csv:{tmp_path / 'none.csv'}")
    (tmp_path / "bytes.csv").write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match="is no table"):
        load(f"csv:{tmp_path / 'bytes.csv'}")


def test_columns_of_numbers_are_answers(tmp_path: Path) -> None:
    rows = "\n".join(f"{gray}.png,{gray / 2},{gray % 3}" for gray in range(12))
    dataset = load(table(tmp_path, f"file,half,Rest\n{rows}\n"))
    assert dataset.labels == ("half", "Rest") and not dataset.has_classes
    assert [len(dataset.train), len(dataset.test)] == [10, 2]
    for split in (dataset.train, dataset.test):
        gray = split.images[:, 0, 0, 0].astype(np.float32)
        np.testing.assert_array_equal(split.labels, np.stack([gray / 2, gray % 3], axis=1))


def test_labels_are_numbers_where_that_is_asked_for(tmp_path: Path) -> None:
    rows = "\n".join(f"{gray}.png,{gray}" for gray in range(12))
    spec = table(tmp_path, f"path,label\n{rows}\n")
    assert load(spec, answers=True).labels == ("label",)
    more = "\n".join(f"{gray}.png,{gray},me" for gray in range(12))  # other columns are not asked for
    assert load(table(tmp_path, f"path,label,who\n{more}\n"), answers=True).labels == ("label",)
    with pytest.raises(DataError, match="two are needed"):
        load(table(tmp_path, f"path,label\n{rows}\n"))
