"""Hints for names that are not known."""

from edgecompress.suggest import suggest


def test_the_nearest_name_comes_first_then_all() -> None:
    assert suggest("epoch", ["epochs", "seed"]) == "Did you mean 'epochs'? Known: epochs, seed."
    assert suggest("zzz", ["epochs", "seed"]) == "Known: epochs, seed."
    assert suggest("a", []) == "Known: none."
