from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.errors import MethodError
from edgecompress.methods.text import read_methods


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bnn", ("bnn", {})),
        (" bnn() ", ("bnn", {})),
        (
            'magnitude_pruning(sparsity=0.9, layers="conv_.*", epochs=3, block=(4, 1))',
            ("magnitude_pruning", {"sparsity": 0.9, "layers": "conv_.*", "epochs": 3, "block": (4, 1)}),
        ),
        ("iterative_pruning(sparsities={'a': 0.5})", ("iterative_pruning", {"sparsities": {"a": 0.5}})),
        ("x(a=-1, b=True, c=[1])", ("x", {"a": -1, "b": True, "c": [1]})),
    ],
)
def test_it_reads_a_name_and_literals(text, expected) -> None:
    assert read_methods(text) == [expected]


def test_it_reads_methods_that_are_trained_as_one() -> None:
    assert read_methods("a(x=1) & b & c(y='d & e')") == [("a", {"x": 1}), ("b", {}), ("c", {"y": "d & e"})]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "invalid syntax"),
        ("0.9", "neither a name nor"),
        ("a.b(c=1)", "neither a name nor"),
        ("a & 3", "neither a name nor"),
        ("a & (b & c)", "neither a name nor"),
        ("a | b", "neither a name nor"),
        ("a &", "invalid syntax"),
        ("prune(0.9)", "'0.9' stands without the name of its option"),
        ("prune(sparsity=s)", "sparsity is 's', and a number"),
        ("prune(sparsity=__import__('os').getpid())", "and a number"),
        ("prune(block={1, 2})", "block is '{1, 2}', and a number"),
        ("prune(n_of_m=b'2:4')", "and a number, a text in quotes"),
        ("prune(sparsity=None)", "sparsity is 'None'"),
        ("prune(sparsity=1j)", "sparsity is '1j'"),
        ("prune(sparsities={1: 0.5})", "sparsities is"),
        ("prune(block=[1, {2}])", "block is"),
        ("prune(**{'sparsity': 0.9})", "is no option"),
        ("prune(sparsity=0.9", "was never closed"),
        ("prune(sparsity=0.9, sparsity=0.8)", "sparsity is given twice"),
        ("bnn(a=" + "(" * 2000 + ")" * 2000 + ")", "too many nested parentheses"),
        ("a" * 20_000, "it has 20000 characters"),
        ("bnn(a='\0')", "null bytes"),
    ],
)
def test_what_is_no_method_is_refused_in_a_sentence(text, words) -> None:
    with pytest.raises(MethodError, match="is no method: ") as caught:
        read_methods(text)
    assert words in str(caught.value) and "magnitude_pruning(" in caught.value.hint
    assert "\n" not in caught.value.message and len(caught.value.message) < 300


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text) -> None:
    try:
        (name, figures), *_ = read_methods(text)
    except MethodError:
        return
    assert name.isidentifier() and all(isinstance(key, str) for key in figures)
