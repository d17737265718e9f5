import pytest

from mpss_lib.batch import TooManyFaultsError, run_batch
from mpss_lib.errors import (
    ArchiveBusyError,
    DicomFileError,
    PlatformFaultError,
    StudyRejectedError,
)
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
    table = {"S1": DicomFileError("x", way_out="y"), "S2": "done", "S3": "done"}
    with pytest.raises(TooManyFaultsError, match="1 of 3"):
        run_batch("intake", work_by(table), list(table), lake, config)
    [record] = lake.records("intake")
    assert [unit["status"] for unit in record["units"]] == ["quarantined", "done", "done"]


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
