from contextlib import nullcontext

import pytest

from mpss_lib.batch import TooManyFaultsError, run_batch, standing_still
from mpss_lib.config import Config
from mpss_lib.errors import (
    ArchiveBusyError,
    DicomFileError,
    PlatformFaultError,
    StudyRejectedError,
)
from mpss_lib.sections import BatchSettings
from mpss_lib.tables import Outcome


def work_by(table):
    def work(key):
        found = table[key]
        if isinstance(found, Exception):
            raise found
        return Outcome(found)

    return work


def test_counts_add_up_and_the_good_ones_go_on(lake, config):
    table = {
        "S1": "done",
        "S2": "skipped",
        "S3": StudyRejectedError("no stress series", way_out="none", reasons=("rest",)),
        "S4": DicomFileError("truncated", way_out="send it again"),
        "S5": "done",
        "S6": "done",
    }
    result = run_batch("intake", work_by(table), list(table), lake, config)
    assert result.given == 6 == result.done + result.skipped + result.rejected + result.quarantined
    assert (result.done, result.skipped, result.rejected, result.quarantined) == (3, 1, 1, 1)
    assert result.keys == ("S1", "S2", "S5", "S6")
    [row] = lake.quarantined()
    assert (row["study_key"], row["problem"], row["way_out"]) == (
        "S4",
        "truncated",
        "send it again",
    )


def test_a_foreign_error_is_quarantined_without_its_text(lake, config):
    table = {"S1": ValueError("DOE^JANE 1950-01-01"), **{f"S{i}": "done" for i in range(2, 9)}}
    run_batch("intake", work_by(table), list(table), lake, config)
    [row] = lake.quarantined()
    assert "JANE" not in str(row)
    assert row["problem"].startswith("unexpected ValueError at test_batch.py:")


def test_too_many_faults_fail_the_batch_after_all_were_tried(lake, config):
    broken = DicomFileError("x", way_out="y")
    table = {"S1": broken, "S2": "done", "S3": broken, "S4": "done"}
    with pytest.raises(TooManyFaultsError, match="2 of 4") as found:
        run_batch("intake", work_by(table), list(table), lake, config)
    assert found.value.result.keys == ("S2", "S4")
    assert found.value.result.quarantined == 2
    [record] = lake.records("intake")
    assert [unit["status"] for unit in record["units"]] == [
        "quarantined",
        "done",
        "quarantined",
        "done",
    ]


@pytest.mark.parametrize(
    ("n_bad", "n_given", "least", "fails"),
    [
        (0, 1, 2, False),
        (1, 1, 2, True),  # all of them
        (1, 2, 2, False),
        (1, 3, 2, False),
        (2, 3, 2, True),
        (2, 3, 3, False),
        (3, 3, 3, True),
        (2, 10, 2, False),  # not above the share
        (3, 10, 2, True),
        (1, 3, 1, True),
    ],
)
def test_a_share_of_a_small_batch_needs_a_least_number(lake, n_bad, n_given, least, fails):
    config = Config(batch=BatchSettings(fault_least=least))
    broken = DicomFileError("x", way_out="y")
    table = {f"S{n}": broken if n < n_bad else "done" for n in range(n_given)}
    with pytest.raises(TooManyFaultsError) if fails else nullcontext():
        run_batch("intake", work_by(table), list(table), lake, config)


@pytest.mark.parametrize("error", [PlatformFaultError, ArchiveBusyError])
def test_a_fault_of_the_platform_stops_at_once_and_keeps_what_was_done(lake, config, error):
    table = {"S1": "done", "S2": error("archive", way_out="wait"), "S3": "done"}
    with pytest.raises(error):
        run_batch("intake", work_by(table), list(table), lake, config)
    [record] = lake.records("intake")
    assert [unit["key"] for unit in record["units"]] == ["S1"]
    assert lake.quarantined() == []


def test_a_full_disk_is_no_fault_of_the_study(lake, config):
    with pytest.raises(PlatformFaultError, match="No space left"):
        run_batch("intake", work_by({"S1": OSError(28, "No space left")}), ["S1"], lake, config)
    assert lake.quarantined() == []


def test_success_ends_the_quarantine(lake, config):
    lake.quarantine("intake", "S1", error="X", problem="p", way_out="w")
    run_batch("intake", work_by({"S1": "done"}), ["S1"], lake, config)
    assert lake.quarantined() == []


def test_the_record_holds_the_runs_digest_and_never_its_name(lake, config):
    name = "scheduled__2026-03-04T00:00:00"
    run_batch("intake", work_by({"S1": "done"}), ["S1", "S1"], lake, config, run_name=name)
    [path] = (lake.root / "manifest" / "intake").iterdir()
    text = path.read_text()
    assert "2026-03-04" not in text
    assert len(lake.records("intake")[0]["units"]) == 1


def test_a_window_with_unusable_answers_is_no_study_that_stands_still(lake, config):
    row = dict.fromkeys(("n_days", "n_returned", "n_new", "n_grown", "n_requests"), 1)
    row |= {"window_key": "W1", "n_unusable": 1}
    lake.write("query_window", config.address("pull"), "W1", "0" * 16, [row])
    for stage, key in (("pull", "W1"), ("pull", "S1"), ("intake", "S2")):
        lake.quarantine(stage, key, error="X", problem="broken", way_out="mend it")
    assert standing_still("pull", lake, config) == ["S1"]
    assert standing_still("intake", lake, config) == ["S2"]
