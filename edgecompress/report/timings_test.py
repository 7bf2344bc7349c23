from dataclasses import replace

import numpy as np
import pytest

from edgecompress.report.conftest import measurement
from edgecompress.report.content import Interval, Setting
from edgecompress.report.timings import conditions_of, remarks_of, settings_of, slow_operators_of, timing_of
from edgecompress.runs.folder import RunFolder
from edgecompress.values import Measurement


@pytest.fixture
def measured(converted: RunFolder) -> Measurement:
    return measurement(converted.read_artifacts()[0], 1)


def test_devices_keep_their_order_and_the_fewest_threads_come_first(measured: Measurement) -> None:
    places = [("pi", 4), ("local", 2), ("pi", 1), ("local", 1), ("pi", 4)]
    found = settings_of([replace(measured, device=device, threads=threads) for device, threads in places])
    assert found == (Setting("pi", 1), Setting("pi", 4), Setting("local", 1), Setting("local", 2))


def test_times_are_in_milliseconds_and_starts_are_medians_over_processes(measured: Measurement) -> None:
    timing = timing_of(measured)
    assert timing.p50_ms.value == measured.steady.p50_ns / 1e6
    assert (timing.p50_ms.low, timing.p50_ms.high) == (
        measured.steady.p50_low_ns / 1e6,
        measured.steady.p50_high_ns / 1e6,
    )
    assert timing.load_ms == Interval(2.1, 2.0, 2.6, (2.1, 2.0, 2.6), "2026-01-02T03:04:05Z")
    assert timing.first_ms == Interval(0.9, 0.8, 1.0, (0.9, 0.8, 1.0), "2026-01-02T03:04:05Z")
    assert timing.p50_ms.processes == tuple(np.median(each) / 1e6 for each in measured.samples_ns)


def test_one_process_has_no_interval(measured: Measurement) -> None:
    timing = timing_of(replace(measured, samples_ns=measured.samples_ns[:1]))
    assert timing.p50_ms.low is None and timing.p50_ms.high is None
    assert timing.p50_ms.ends == (timing.p50_ms.value, timing.p50_ms.value)


def test_what_is_invalid_must_not_be_compared(measured: Measurement) -> None:
    assert timing_of(measured).p50_ms.session
    assert not timing_of(replace(measured, invalid="it was hot")).p50_ms.session


def test_a_measurement_without_starts_has_none(measured: Measurement) -> None:
    timing = timing_of(replace(measured, load_ns=(), compile_ns=(), first_ns=()))
    assert timing.load_ms is None and timing.first_ms is None


def test_the_slowest_operators_come_first(measured: Measurement) -> None:
    found = slow_operators_of(replace(measured, operators=measured.operators[::-1]))
    assert [operator.kind for operator in found.slowest][:2] == [
        "XNNPACK Convolution (NHWC, QC8) IGEMM",
        "XNNPACK Fully Connected (NC, QS8)",
    ]
    assert len(found.slowest) == 5
    assert found.total_ns == sum(operator.time_ns for operator in measured.operators)


def test_conditions_leave_out_what_holds_for_one_file_only(measured: Measurement) -> None:
    found = conditions_of([measured], Setting("local", 1))
    assert found.before["load_average"] == [0.1, 0.2, 0.1]
    assert found.after["load_average"] == [1.0, 0.4, 0.2]
    assert found.before["seed"] == found.after["seed"] == 0
    assert not {"operators", "precise", "before"} & set(found.before)


def test_conditions_of_an_unknown_form_do_no_harm(measured: Measurement) -> None:
    odd = replace(measured, conditions={"before": "cold", "shell": "toybox"})
    assert conditions_of([odd], Setting("local", 1)).before == {"shell": "toybox"}


def test_remarks_of_an_unknown_form_are_none(measured: Measurement) -> None:
    assert remarks_of(replace(measured, conditions={"remarks": ["hot"]})) == ("hot",)
    assert remarks_of(replace(measured, conditions={"remarks": 5})) == remarks_of(measured) == ()
