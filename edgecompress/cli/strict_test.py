"""What the commands say of the conditions, and that `--strict` believes no figure that was taken in bad ones."""

import json
import tempfile

import pytest

from edgecompress.cli.device_options import require_good_conditions
from edgecompress.errors import LimitNotMet
from edgecompress.profiling import bench
from edgecompress.testing.sample_files import fixed_classifier


@pytest.fixture(autouse=True)
def own_locks(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def model(tmp_path):
    return fixed_classifier(tmp_path, height=32, width=32)


@pytest.fixture
def saving(monkeypatch):
    """This machine says that its battery saver is on."""
    told = bench.snapshot
    monkeypatch.setattr(bench, "snapshot", lambda *words, **more: {**told(*words, **more), "battery_saver": True})


def test_conditions_stand_under_every_table_and_strict_ends_with_3(cli, model, saving):
    words = ["profile", model, "--processes", "1"]
    plain = cli(*words)
    assert plain.code == 0 and "Conditions: " in plain.out and "battery saver on" in plain.out
    assert f"INVALID: {model}, 1 thread(s): the battery saver was on" in plain.out
    strict = cli(*words, "--strict", "--json")
    assert strict.code == 3 and "local: the battery saver was on" in strict.err
    (found,) = json.loads(strict.out)["measurements"]
    assert "battery saver on" in found["conditions"]["line"] and found["invalid"]


def test_strict_is_for_compare_and_sustained_too(cli, model, saving):
    compared = cli("compare", model, model, "--processes", "2", "--strict")
    assert compared.code == 3 and "  Conditions: " in compared.out and "battery saver" in compared.err
    sustained = cli("profile", model, "--sustained", "1s", "--strict")
    assert sustained.code == 3 and "Conditions: " in sustained.out
    assert "On local, the battery saver was on" in sustained.out


def test_good_conditions_pass():
    require_good_conditions([("local", "", ()), ("pi", "", [])])
    with pytest.raises(LimitNotMet, match="pi: it was hot; pi: 4 threads shared 2 cores; local: hot") as raised:
        require_good_conditions([("pi", "it was hot", ["4 threads shared 2 cores"]), ("local", "", ["hot", "hot"])])
    assert raised.value.exit_code == 3
