import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgecompress.errors import RecipeError, RunFolderError
from edgecompress.formats.sizes import compressed_sizes
from edgecompress.report.collect import FEW_FILES, collect, to_profile, to_verify
from edgecompress.report.conftest import measurement, verification
from edgecompress.report.content import Notice, Setting
from edgecompress.report.render import to_html, to_markdown
from edgecompress.runs.folder import RunFolder
from edgecompress.storage import from_json
from edgecompress.verification import Verification

INT8 = "artifacts/compressed.int8.tflite"


def test_a_complete_run_has_a_whole_row_a_file_and_no_notice(complete: RunFolder) -> None:
    content = collect(complete)
    assert content.notices == ()
    assert content.settings == (Setting("local", 1), Setting("local", 2))
    assert [row.artifact for row in content.rows] == [artifact.path for artifact in complete.read_artifacts()]
    for row in content.rows:
        assert row.sizes == compressed_sizes(complete.path / row.artifact)
        assert row.accuracy is not None and row.keras_agreement == 99.4
        assert {timing.setting for timing in row.timings} == set(content.settings)
    assert content.pareto_axes == ("zstd_bytes", "accuracy", "p50_ms@local/1")
    assert {row.artifact for row in content.rows if row.pareto} >= {INT8, "artifacts/dense.float32.tflite"}


def test_operators_are_those_of_the_first_setting(complete: RunFolder) -> None:
    operators = collect(complete).operators
    assert len(operators) == len(complete.read_artifacts())
    assert {each.setting for each in operators} == {Setting("local", 1)}


def test_the_rest_of_the_run_is_there(complete: RunFolder) -> None:
    content = collect(complete)
    assert content.title == "mobilenet_v1 on fashion_mnist"
    assert [epoch.stage for epoch in content.history].count("dense") == 8
    assert {note.action for note in content.layers} == {"pruned", "skipped", "quantized", "kept float"}
    assert {each.artifact for each in content.float_operators} >= {INT8}
    assert [each.setting for each in content.conditions] == list(content.settings)
    assert "python" in content.versions and content.machine
    assert 'method = "magnitude_pruning"' in content.recipe


def test_files_alone_make_a_report_that_says_what_to_run(converted: RunFolder) -> None:
    content = collect(converted)
    assert content.title == "m1"
    assert content.words == {"Model": "m1.h5"}
    unverified = Notice("not verified yet: a model file names no test data", f"{to_verify(converted)} --data DATA")
    assert content.notices == (unverified, Notice("not measured yet", to_profile(converted)))
    assert (content.settings, content.history, content.layers, content.recipe) == ((), (), (), "")
    assert not any(row.accuracy or row.timings or row.pareto for row in content.rows)


def test_a_trained_run_says_how_to_verify_and_to_measure(complete: RunFolder) -> None:
    for name in ("verification", "measurements"):
        (complete.path / f"{name}.json").unlink()
    assert collect(complete).notices == (
        Notice("not verified yet", to_verify(complete)),
        Notice("not measured yet", to_profile(complete)),
    )


def test_what_is_known_of_some_files_only_is_said(converted: RunFolder) -> None:
    first, *others = converted.read_artifacts()
    converted.write("verification", verification(others))
    converted.write("measurements", [measurement(each, 1) for each in others])
    assert collect(converted).notices == (
        Notice(f"{first.path}: not verified yet", to_verify(converted)),
        Notice(f"{first.path}: not measured yet in every setting", to_profile(converted)),
    )


def test_measurements_of_an_earlier_file_are_left_out(complete: RunFolder) -> None:
    measured = complete.read_measurements()
    complete.write(
        "measurements", [replace(each, sha256="0" * 64) if each.artifact == INT8 else each for each in measured]
    )
    content = collect(complete)
    assert Notice("measurements of earlier files, left out: 2", to_profile(complete)) in content.notices
    assert next(row for row in content.rows if row.artifact == INT8).timings == ()


@pytest.mark.parametrize("sha256", ["0" * 64, ""])
def test_an_accuracy_of_an_earlier_file_is_left_out(sha256: str, complete: RunFolder) -> None:
    """An empty hash is what earlier versions wrote."""
    found = from_json(Verification, complete.path / "verification.json")
    checks = [replace(each, sha256=sha256) if each.artifact == INT8 else each for each in found.artifacts]
    complete.write("verification", replace(found, artifacts=tuple(checks)))
    content = collect(complete)
    assert content.notices == (
        Notice(f"{INT8}: the accuracy is of an earlier file, and left out", to_verify(complete)),
    )
    row = next(row for row in content.rows if row.artifact == INT8)
    assert row.accuracy is row.drop is row.keras_agreement is row.paired is None and not row.right and not row.pareto
    assert content.verification and INT8 not in {each.artifact for each in content.verification.artifacts}
    assert [each.variant for each in content.verification.parity] == ["dense"]
    assert [each.artifact for each in content.verification.kernels] == ["artifacts/dense.int8.tflite"]


def test_the_accuracy_of_a_keras_model_that_was_trained_again_is_left_out(complete: RunFolder) -> None:
    complete.model("compressed").write_bytes(b"trained again")
    complete.model("compressed.qat").unlink()
    verification = collect(complete).verification
    assert verification and list(verification.keras) == ["dense"]


def test_a_verification_of_nothing_that_is_there_is_none(complete: RunFolder) -> None:
    found = from_json(Verification, complete.path / "verification.json")
    old = tuple(replace(each, sha256="") for each in found.artifacts)
    complete.write("verification", replace(found, artifacts=old, keras_sha256={}))
    content = collect(complete)
    assert content.verification is None and not any(row.accuracy for row in content.rows)
    (notice,) = content.notices
    assert notice.text.endswith("the accuracy is of an earlier file, and left out")


def test_garbage_is_said(complete: RunFolder) -> None:
    found = from_json(Verification, complete.path / "verification.json")
    checks = [replace(each, garbage="all is lost") if each.artifact == INT8 else each for each in found.artifacts]
    complete.write("verification", replace(found, artifacts=tuple(checks)))
    assert collect(complete).notices == (Notice(f"{INT8} computes something else than its Keras model: all is lost"),)


def test_every_kind_of_earlier_figure_is_left_out(complete: RunFolder) -> None:
    for kind, values in (("instructions", complete.read_instructions()), ("sustained", complete.read_sustained())):
        complete.write(kind, [replace(each, sha256="0" * 64) for each in values])
    content = collect(complete)
    assert content.instructions == content.sustained == ()
    stale = 2 * len(complete.read_artifacts()) + 2
    assert content.notices == (Notice(f"measurements of earlier files, left out: {stale}", to_profile(complete)),)


def test_an_earlier_measurement_of_the_same_file_counts_beside_one_of_an_older_hash(complete: RunFolder) -> None:
    measured = complete.read_measurements()
    older = [replace(each, sha256="0" * 64, load_ns=(7, 7, 7)) for each in measured]
    complete.write("measurements", [*measured, *older])
    timings = [timing for row in collect(complete).rows for timing in row.timings]
    assert len(timings) == len(measured) and all(timing.load_ms and timing.load_ms.value > 1 for timing in timings)


def test_files_that_were_measured_apart_are_named_so(complete: RunFolder) -> None:
    measured = complete.read_measurements()
    apart = [
        replace(each, conditions={**each.conditions, "interleaved": [each.artifact if each.threads == 1 else "all"]})
        for each in measured
    ]
    complete.write("measurements", apart)
    (notice,) = collect(complete).notices
    assert notice.text.startswith("local, 1 thread: not all files were measured against one another")


def test_the_conditions_are_a_line_and_what_was_unusual_is_a_notice(complete: RunFolder) -> None:
    remark, line = "cores 0-3 were limited to 600 of 1800 MHz", "governor ondemand, 600 of 600 MHz"
    measured = complete.read_measurements()
    odd = [
        replace(
            each, conditions={**each.conditions, "line": line, "remarks": [remark] if each.artifact == INT8 else []}
        )
        for each in measured
    ]
    complete.write("measurements", odd)
    sustained = [replace(each, conditions={"line": "51 °C"}) for each in complete.read_sustained()]
    complete.write("sustained", sustained)
    content = collect(complete)
    assert content.notices == (Notice(f"{INT8} on local: {remark}"),)
    assert [each.line for each in content.conditions] == [line] * 2
    assert not {"line", "remarks"} & content.conditions[0].before.keys()
    for page in (to_markdown(content, plots={}), to_html(content, plots={})):
        assert f"Conditions on local, 2 threads: {line}." in page and "Conditions on local, 1 thread: 51 °C." in page


def test_a_file_that_ran_in_the_interpreter_is_named_so(complete: RunFolder) -> None:
    measured = complete.read_measurements()
    stateful = [
        replace(each, conditions={**each.conditions, "interpreter": "It has variables."})
        if (each.artifact, each.threads) == (INT8, 1)
        else each
        for each in measured
    ]
    complete.write("measurements", stateful)
    content = collect(complete)
    assert content.notices == (
        Notice(f"{INT8} on local, 1 thread: ran in the runtime's interpreter. It has variables"),
    )
    assert "interpreter" not in content.conditions[0].before


def test_what_a_busy_machine_spoiled_is_said_once(complete: RunFolder) -> None:
    measured = complete.read_measurements()
    complete.write("measurements", [replace(each, invalid="the machine was busy") for each in measured])
    artifacts = list(dict.fromkeys(each.artifact for each in measured))
    assert len(artifacts) > FEW_FILES
    all_of_them = f"all {len(artifacts)} files on local: invalid, the machine was busy"
    assert collect(complete).notices == (Notice(all_of_them, to_profile(complete)),)
    spoiled = [replace(each, invalid="it slept" if each.artifact in artifacts[:2] else "") for each in measured]
    complete.write("measurements", spoiled)
    two = Notice(f"{artifacts[0]}, {artifacts[1]} on local: invalid, it slept", to_profile(complete))
    assert collect(complete).notices == (two,)


def test_an_imprecise_median_is_said(complete: RunFolder) -> None:
    measured = complete.read_measurements()
    loose = [replace(each, conditions={**each.conditions, "precise": each.artifact != INT8}) for each in measured]
    complete.write("measurements", loose)
    assert collect(complete).notices == (
        Notice(f"{INT8}: the median is less precise than was asked for", to_profile(complete)),
    )


def test_a_run_without_artifacts_says_what_to_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with pytest.raises(RunFolderError, match="edgecompress convert"):
        collect(run)
    run.write("artifacts", [])
    with pytest.raises(RunFolderError, match="edgecompress convert"):
        collect(run)


def _remove(file: Path) -> None:
    file.unlink()


def _change(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def _replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _link_to_outside(file: Path) -> None:
    outside = file.parents[2] / "outside"
    file.rename(outside)
    file.symlink_to(outside)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_remove, "missing"),
        (_change, "changed"),
        (_replace_by_folder, "missing"),
        (_link_to_outside, "not inside"),
    ],
)
def test_a_file_that_is_not_what_was_emitted_is_refused(spoil, message: str, complete: RunFolder) -> None:
    spoil(complete.path / INT8)
    with pytest.raises(RunFolderError, match=rf"{message}.*convert"):
        collect(complete)


@pytest.mark.parametrize("path", ["../outside.tflite", "/dev/zero", "artifacts/../../outside.tflite"])
def test_a_path_out_of_the_run_is_not_read(path: str, complete: RunFolder) -> None:
    (complete.path.parent / "outside.tflite").write_bytes(b"TFL3")
    artifacts = complete.read_artifacts()
    complete.write("artifacts", [replace(artifacts[0], path=path)])
    with pytest.raises(RunFolderError, match="not inside"):
        collect(complete)


@pytest.mark.parametrize(
    "name", ["artifacts.json", "verification.json", "measurements.json", "notes.json", "manifest.json"]
)
@pytest.mark.parametrize("content", ["", "[1]", '{"machine": 1}', "\udcff"])
def test_damaged_records_are_named(name: str, content: str, complete: RunFolder) -> None:
    (complete.path / name).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(RunFolderError, match=name):
        collect(complete)


@pytest.mark.parametrize("line", ["{", "[]", '{"stage": "dense"}', '{"stage": "\\ud800"}'])
def test_a_damaged_history_is_named(line: str, complete: RunFolder) -> None:
    complete.history.write_text(f"{complete.history.read_text()}{line}\n")
    with pytest.raises(RunFolderError, match=r"history\.jsonl"):
        collect(complete)


def test_a_damaged_recipe_is_named(complete: RunFolder) -> None:
    complete.recipe.write_text("[model]\n")
    with pytest.raises(RecipeError, match=r"recipe\.toml"):
        collect(complete)


def test_progress_counts_the_files(complete: RunFolder) -> None:
    seen: list[tuple[int, int]] = []
    collect(complete, on_progress=lambda what, done, total: seen.append((done, total)))
    assert seen == [(done, 8) for done in range(9)]


def test_an_older_history_with_more_keys_is_read(complete: RunFolder) -> None:
    lines = [json.loads(line) | {"extra": 1} for line in complete.history.read_text().splitlines()]
    complete.history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert len(collect(complete).history) == len(lines)
