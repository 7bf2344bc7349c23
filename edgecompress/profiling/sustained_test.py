import json
from dataclasses import asdict
from itertools import pairwise

import pytest

from edgecompress.devices.ways.local import LocalTransport
from edgecompress.errors import RuntimeRefusal
from edgecompress.profiling import sustained
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.sustained import sustain
from edgecompress.storage import sha256_of
from edgecompress.testing.sample_files import FACE

SECONDS, WINDOWS = 2.0, 5


@pytest.fixture(autouse=True)
def short_windows(monkeypatch):
    monkeypatch.setattr(sustained, "WINDOWS", WINDOWS)
    monkeypatch.setattr(sustained, "BLOCK_S", 0.1)


def test_windows_cover_the_time(tmp_path):
    steps = []
    with Bench(LocalTransport(), Plan()) as bench:
        found = sustain(bench, FACE, seconds=SECONDS, threads=2, on_progress=lambda *step: steps.append(step))
        timeline = bench.timeline()

    assert (found.artifact, found.sha256, found.device) == (str(FACE), sha256_of(FACE), "local")
    assert found.threads == 2 and found.runtime.startswith("LiteRT ")
    window_s = SECONDS / WINDOWS
    # A window is as long as it is to be, or longer; the last one begins before the end, and ends behind it.
    assert 1 <= len(found.windows) <= WINDOWS
    starts_s = [window.start_s for window in found.windows]
    assert starts_s[0] < window_s
    assert all(later - start >= window_s - 0.001 for start, later in pairwise(starts_s))
    assert starts_s[-1] < SECONDS
    blocks = [span for span in timeline.spans if span.name == "block"]
    assert blocks[-1].start_ns + blocks[-1].duration_ns - blocks[0].start_ns >= (SECONDS - window_s) * 1e9
    assert sum(window.count for window in found.windows) == sum(span.details["inferences"] for span in blocks)
    for window in found.windows:
        assert window.count > 0 and 0 < window.p50_ns <= window.p90_ns
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["conditions"] == found.conditions
    assert found.conditions["before"].keys() == found.conditions["after"].keys()
    done = [step[1] for step in steps]
    assert done == sorted(done) and steps[-1] == (f"local, {FACE.name}", 2, 2)


def test_a_file_that_does_not_run_is_named(tmp_path):
    (tmp_path / "broken.tflite").write_bytes(b"broken")
    with Bench(LocalTransport(), Plan()) as bench, pytest.raises(RuntimeRefusal, match=r"broken\.tflite"):
        sustain(bench, tmp_path / "broken.tflite", seconds=SECONDS, threads=1)
