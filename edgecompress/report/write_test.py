import json
import os
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from edgecompress.errors import RunFolderError
from edgecompress.report.conftest import add_file, artifact, measurement, verification
from edgecompress.report.content import Content
from edgecompress.report.write import write_report
from edgecompress.runs.folder import RunFolder
from edgecompress.storage import from_json

NAMES = {"report.json", "report.md", "report.html", "tradeoff.png", "latency.png"}


def written(run: RunFolder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (run.path / "report").iterdir()}


def test_a_complete_run_gets_two_pages_two_plots_and_a_document(complete: RunFolder) -> None:
    report = write_report(complete)
    assert report.paths == {name: complete.path / "report" / name for name in report.paths}
    assert set(report.paths) == set(written(complete)) == NAMES
    assert (
        written(complete)["tradeoff.png"].startswith(b"\x89PNG")
        and written(complete)["report.html"].count(b"<svg") == 3
    )


def test_the_document_is_the_content(complete: RunFolder) -> None:
    report = write_report(complete)
    assert from_json(Content, report.paths["report.json"]) == report.content
    assert list(json.loads(report.paths["report.json"].read_text())) == [field.name for field in fields(Content)]


def test_the_same_run_gives_the_same_bytes_elsewhere_and_again(complete: RunFolder, tmp_path: Path) -> None:
    write_report(complete)
    first = written(complete)
    write_report(complete)
    assert written(complete) == first
    shutil.rmtree(complete.path / "report")
    moved = Path(shutil.copytree(complete.path, tmp_path / "elsewhere" / complete.path.name))
    code = "from pathlib import Path; from edgecompress.report.write import write_report; "
    code += "from edgecompress.runs.folder import open_run; write_report(open_run(Path('.')))"
    environment = {**os.environ, "PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    subprocess.run([sys.executable, "-c", code], cwd=moved, env=environment, check=True)
    assert written(RunFolder(moved)) == first


def test_what_cannot_be_drawn_is_not_there_and_an_old_plot_goes(complete: RunFolder) -> None:
    write_report(complete)
    (complete.path / "measurements.json").unlink()
    assert set(write_report(complete).paths) == set(written(complete)) == NAMES - {"latency.png"}
    (complete.path / "verification.json").unlink()
    assert set(write_report(complete).paths) == set(written(complete)) == NAMES - {"latency.png", "tradeoff.png"}


def test_nothing_of_the_run_but_its_report_is_touched(complete: RunFolder) -> None:
    def others() -> dict[Path, bytes]:
        files = (file for file in complete.path.rglob("*") if file.is_file())
        return {file: file.read_bytes() for file in files if file.parent.name != "report"}

    before = others()
    write_report(complete)
    assert others() == before


def test_images_of_the_markdown_lie_beside_it(complete: RunFolder) -> None:
    report = write_report(complete)
    text = report.paths["report.md"].read_text()
    assert "![Accuracy against size](tradeoff.png)" in text and "![Accuracy against latency](latency.png)" in text


def test_hostile_file_names_reach_the_pages_as_text(converted: RunFolder) -> None:
    names = [
        "<img src=x onerror=alert(1)>.tflite",
        "a|b `c` **d**\n# e.onnx",
        "$\\frac{.tflite",
        "\u202emodel\x1b[31m",
        "模型",
    ]
    artifacts = []
    for name in names:
        add_file(converted, Path(name), f"content of {name}".encode())
        artifacts.append(artifact(converted, name, variant=name, target=f"{name}:{name}"))
    converted.write("artifacts", artifacts)
    converted.write("verification", verification(artifacts))
    converted.write("measurements", [replace(measurement(each, 1), device=names[0]) for each in artifacts])
    write_report(converted)
    pages = written(converted)
    html, markdown = pages["report.html"].decode(), pages["report.md"].decode()
    assert "<img" not in html and "&lt;img src=x onerror=alert(1)&gt;.tflite" in html
    assert "<img" not in markdown.replace("\\<img", "") and "\n# e" not in markdown
    for page in (html, markdown):
        assert "\x1b" not in page and "\u202e" not in page
    assert [row["artifact"] for row in json.loads(pages["report.json"])["rows"]] == names


def test_a_folder_that_cannot_be_written_is_named(complete: RunFolder) -> None:
    (complete.path / "report").write_text("in the way")
    with pytest.raises(RunFolderError, match="Cannot write"):
        write_report(complete)


def test_neither_tensorflow_nor_a_runtime_is_loaded(complete: RunFolder) -> None:
    code = (
        "import sys; from pathlib import Path; from edgecompress.report.write import write_report; "
        f"from edgecompress.runs.folder import open_run; write_report(open_run(Path({str(complete.path)!r}))); "
        "heavy = {'tensorflow', 'tf_keras', 'keras', 'onnx', 'onnxruntime', 'ai_edge_litert', 'sklearn'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
