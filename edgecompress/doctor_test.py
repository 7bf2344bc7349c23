import json
import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import edgecompress
from edgecompress import doctor
from edgecompress.doctor import KNOWN_GOOD, Check, examine, is_healthy

SITE_PACKAGES = Path(metadata.distribution("numpy").locate_file(""))
CHECKOUT = Path(edgecompress.__file__).parents[1]
EXAMINE = (
    "import json; from dataclasses import asdict; from edgecompress.doctor import examine;"
    "print(json.dumps({check.name: asdict(check) for check in examine()}))"
)


@pytest.fixture
def site(tmp_path):
    """A folder with links to everything that is installed, from which a test can take something away."""
    folder = tmp_path / "site"
    folder.mkdir()
    for entry in SITE_PACKAGES.iterdir():
        (folder / entry.name).symlink_to(entry)
    return folder


def run(site: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these packages only: -S leaves out those of the environment that the tests run in."""
    variables = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{CHECKOUT}", **environment}
    return subprocess.run([sys.executable, "-S", "-P", *arguments], env=variables, capture_output=True, text=True)


def checks_in(site: Path, **environment: str) -> dict[str, Check]:
    done = run(site, "-c", EXAMINE, **environment)
    assert done.returncode == 0, done.stderr
    return {name: Check(**fields) for name, fields in json.loads(done.stdout).items()}


def remove(site: Path, *prefixes: str) -> None:
    for entry in list(site.iterdir()):
        if entry.name.lower().startswith(prefixes):
            entry.unlink()


def install(site: Path, name: str, version: str) -> None:
    """What pip leaves of a package by which others know that it is there."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_knows_a_version_of_every_dependency_that_fulfils_what_the_project_asks_for():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    for text in project["dependencies"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(KNOWN_GOOD[requirement.name.lower()]), text
    assert project["requires-python"] == ">={}.{},<{}.{}".format(*doctor.PYTHON, doctor.PYTHON[0], doctor.PYTHON[1] + 1)


def test_knows_the_versions_that_the_lock_is_made_from():
    lines = (CHECKOUT / "requirements/run.in").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    assert pinned
    assert {name: KNOWN_GOOD[name] for name in pinned} == pinned


def test_finds_the_environment_of_the_tests_in_order():
    checks = {check.name: check for check in examine()}
    assert is_healthy(tuple(checks.values()))
    assert checks["Python"].state == "ok"
    assert {name: checks[name].found for name in ("tensorflow", "onnx")} == {
        name: metadata.version(name) for name in ("tensorflow", "onnx")
    }
    assert checks["data set digits"].state == "ok"
    assert all(check.mend for check in checks.values() if check.state == "missing")
    assert not any(check.mend for check in checks.values() if check.state == "ok")


def test_imports_no_heavy_library_itself(site):
    heavy = {"tensorflow", "keras", "tf_keras", "onnx", "onnxruntime", "ai_edge_litert", "sklearn", "matplotlib"}
    done = run(site, "-c", f"{EXAMINE}; import sys; print(sorted({heavy} & set(sys.modules)))")
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_what_is_missing_is_named_with_the_command_that_installs_it(site):
    remove(site, "tensorflow-2", "onnx-")
    checks = checks_in(site)
    assert checks["tensorflow"].state == checks["onnx"].state == "missing"
    assert checks["tensorflow"].mend == f"{sys.executable} -m pip install tensorflow=={KNOWN_GOOD['tensorflow']}"
    assert not is_healthy(tuple(checks.values()))
    assert checks["onnxruntime"].state == "ok"


def test_works_without_numpy_and_scikit_learn(site):
    remove(site, "numpy", "scikit_learn", "sklearn")
    checks = checks_in(site)
    assert checks["numpy"].state == "missing"
    assert checks["data set digits"].state == "missing"
    assert "scikit-learn==" in checks["data set digits"].mend
    assert "numpy" in checks["data sets"].found


@pytest.mark.parametrize(("version", "said"), [("1.26.4", "older than"), ("3.0.0", "newer than")])
def test_another_version_is_a_warning(site, version, said):
    remove(site, "numpy-")
    install(site, "numpy", version)
    check = checks_in(site)["numpy"]
    assert (check.state, check.found.split(",")[0]) == ("warn", version)
    assert said in check.found


def test_another_patch_release_is_none(site):
    remove(site, "numpy-")
    install(site, "numpy", "2.4.99")
    assert checks_in(site)["numpy"].state == "ok"


def test_packages_that_get_in_the_way(site):
    install(site, "tensorflow-cpu", "2.21.0")
    install(site, "larq", "0.13.3")
    checks = checks_in(site)
    assert "tensorflow-cpu" in checks["tensorflow twice"].found
    assert "uninstall --yes tensorflow tensorflow-cpu && " in checks["tensorflow twice"].mend
    assert checks["larq"].state == "warn"
    assert is_healthy(tuple(checks.values()))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "is unset: tf.keras is Keras 3."),
        ("1", "is '1': tf.keras is tf_keras 2."),
        ("true", "is 'true': tf.keras is tf_keras 2."),
        ("0", "is '0': tf.keras is Keras 3."),
        ("yes", "is 'yes': tf.keras is Keras 3."),
    ],
)
def test_says_which_keras_is_live(monkeypatch, value, said):
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    if value is not None:
        monkeypatch.setenv("TF_USE_LEGACY_KERAS", value)
    (check,) = (check for check in examine() if check.name == "Keras")
    assert (check.state, check.mend) == ("ok", "") and said in check.found


def test_finds_data_sets_where_they_lie(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGECOMPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cifar-10-batches-py").mkdir()
    checks = {check.name: check for check in examine()}
    assert (checks["data set cifar10"].state, checks["data set cifar10"].found) == (
        "ok",
        str(tmp_path / "cifar-10-batches-py"),
    )
    mnist = checks["data set mnist"]
    assert (mnist.state, mnist.needed) == ("missing", False)
    assert "load('mnist')" in mnist.mend
    assert not (tmp_path / "cache").exists()  # nothing was downloaded


def test_tools_are_started_and_asked_for_their_version(tmp_path, monkeypatch):
    adb = tmp_path / "adb"
    adb.write_text("#!/bin/sh\n[ $1 = version ] && echo Android Debug Bridge version 1.0.41\necho more\n")
    qemu = tmp_path / "qemu-aarch64"
    qemu.write_text("#!/bin/sh\necho broken library >&2\nexit 127\n")
    for program in (adb, qemu):
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    checks = {check.name: check for check in examine()}
    assert (checks["adb"].state, checks["adb"].found) == ("ok", f"Android Debug Bridge version 1.0.41 at {adb}")
    assert (checks["qemu-user"].state, checks["qemu-user"].found) == ("warn", f"broken library at {qemu}")
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    checks = {check.name: check for check in examine()}
    assert {checks[name].state for name in ("adb", "ssh", "qemu-user")} == {"missing"}
    assert is_healthy(tuple(checks.values()))  # each serves one purpose only


def test_a_tool_that_hangs_is_given_up(tmp_path, monkeypatch):
    program = tmp_path / "adb"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(doctor, "TOOL_TIMEOUT_S", 0.1)
    (check,) = (check for check in examine() if check.name == "adb")
    assert check.state == "warn"
    assert check.found.startswith("no answer within 0.1 s")


def test_a_full_disk_is_a_warning(monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 2**62)
    disks = [check for check in examine() if check.name.startswith("disk")]
    assert {check.state for check in disks} == {"warn"}
    assert all(check.mend for check in disks)


@pytest.mark.slow
@pytest.mark.parametrize(("value", "package"), [("0", "keras"), ("1", "tf_keras")])
def test_deep_imports_tensorflow_as_the_user_would(monkeypatch, value, package):
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", value)
    checks = {check.name: check for check in examine(deep=True)}
    assert {checks[name].state for name in doctor.IMPORTS} == {"ok"}
    assert checks["import tensorflow"].found == (
        f"{metadata.version('tensorflow')}, tf.keras is {package} {metadata.version(package)}"
    )


def test_deep_names_what_cannot_be_imported(monkeypatch):
    monkeypatch.setattr(doctor, "IMPORTS", {"import onnxruntime": ("onnxruntime", "import no_such_module")})
    *_, check = examine(deep=True)
    assert (check.name, check.state) == ("import onnxruntime", "missing")
    assert "no_such_module" in check.found
    assert check.mend.endswith(f"--force-reinstall onnxruntime=={KNOWN_GOOD['onnxruntime']}")
