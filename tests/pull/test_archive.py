from __future__ import annotations

import gc
from datetime import date

import pytest
from pacs_objects import make_capture, make_nm, sop_uid, study_uid
from peer import Peer, Script, free_port, silent_port

from mpss_lib.errors import (
    ArchiveBusyError,
    ArchiveDownError,
    ArchiveRefusedError,
    DicomFileError,
    IncompleteStudyError,
    PlatformFaultError,
    SameUidOtherBytesError,
)
from mpss_lib.pull import stage
from mpss_lib.pull.archive.association import ArchiveAssociation
from mpss_lib.pull.archive.session import ArchiveSession, echo

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))

pytestmark = pytest.mark.pacs


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def faulty(archive, script, sites_of):
    """Sites of a peer that follows the script."""
    with Peer(archive, script) as peer:
        yield sites_of(peer.port, dimse_timeout_s=2)


def pull_one(sites, lake, config, **options):
    [key] = stage.find(WINDOW, lake, config, sites)
    return stage.run(key, lake, config, sites, **options)


# ------------------------------------------------------------ nobody, refused, busy


def test_echo_of_a_well_archive(sites):
    echo(sites)


leaves_socket = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def swept():
    """pynetdicom leaves the socket of a refused connection to the garbage collector."""
    yield
    gc.collect()


def test_an_unknown_host_is_down(sites_of):
    with pytest.raises(ArchiveDownError, match="no-such-host"):
        echo(sites_of(11112, host="no-such-host.invalid"))


@leaves_socket
def test_nobody_answers(sites_of, swept):
    port = free_port()
    with pytest.raises(ArchiveDownError) as found:
        echo(sites_of(port))
    text = str(found.value)
    assert all(part in text for part in (f"127.0.0.1:{port}", "HOSPITAL", "MPSS", "archive.port"))


@pytest.mark.parametrize(
    ("titles", "reason"),
    [({"called_aet": "OTHER"}, "Called AE"), ({"calling_aet": "STRANGER"}, "Calling AE")],
)
def test_wrong_titles_are_refused(server, sites_of, titles, reason):
    with pytest.raises(ArchiveRefusedError, match=reason) as found:
        echo(sites_of(server.port, **titles))
    assert "archive.calling_aet" in found.value.way_out


@pytest.mark.parametrize("closes", [True, False])
def test_a_peer_that_says_nothing_is_busy(sites_of, closes):
    with silent_port(closes=closes) as port, pytest.raises(ArchiveBusyError):
        echo(sites_of(port, acse_timeout_s=0.5))


def test_too_many_associations_are_busy(archive, sites_of):
    with Peer(archive, Script()) as peer:
        peer._entity.maximum_associations = 1
        sites = sites_of(peer.port)
        with ArchiveSession(sites.archive) as session:
            session.echo()
            with pytest.raises(ArchiveBusyError, match="busy"):
                echo(sites)


def test_an_archive_without_c_get_is_refused(archive, sites_of):
    from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as Get

    with Peer(archive, Script()) as peer:
        peer._entity.remove_supported_context(Get)
        # contexts are copied when the server starts
        peer._server.contexts[:] = [
            context for context in peer._server.contexts if context.abstract_syntax != Get
        ]
        with pytest.raises(ArchiveRefusedError, match="does not offer C-GET"):
            echo(sites_of(peer.port, retrieve="c-get"))


def test_not_authorised_is_refused(faulty, script, archive, lake, config):
    script.find_status = 0x0124
    with pytest.raises(ArchiveRefusedError, match="0x0124"):
        stage.find(WINDOW, lake, config, faulty)


# ------------------------------------------------------------------------ C-FIND


def test_a_partial_list_is_never_a_result(faulty, script, archive, lake, config):
    archive.add(*(make_nm(n) for n in range(1, 6)))
    script.find_abort_after = 3
    with pytest.raises(ArchiveBusyError, match="broke off"):
        stage.find(WINDOW, lake, config, faulty)
    assert not (lake.root / "landing").exists()


def test_a_failed_list_is_never_a_result(faulty, script, archive, lake, config):
    archive.add(make_nm(1))
    script.find_status = 0xC001
    with pytest.raises(ArchiveBusyError, match="0xC001"):
        stage.find(WINDOW, lake, config, faulty)


def test_a_slow_archive_times_out(archive, sites_of, lake, config):
    archive.add(make_nm(1))
    with Peer(archive, Script(delay_s=2.0)) as peer:
        sites = sites_of(peer.port, dimse_timeout_s=0.5)
        with pytest.raises(ArchiveBusyError, match=r"0\.5 s"):
            stage.find(WINDOW, lake, config, sites)


@pytest.mark.parametrize("status", [0xA700, 0x0000])
def test_a_list_that_is_cut_short_is_asked_for_in_halves(archive, sites_of, lake, config, status):
    archive.add(*(make_nm(n, study_time=f"{n:02d}0000") for n in range(1, 9)))
    archive.add(*(make_nm(n, study_date="20260303") for n in range(9, 11)))
    script = Script(find_cap=3, find_cap_status=status)
    with Peer(archive, script) as peer:
        sites = sites_of(peer.port, find_limit=3)
        keys = stage.find(WINDOW, lake, config, sites)
    assert len(keys) == 10
    [row] = lake.rows("query_window", config.address("pull"), _window_key(lake, config))
    assert (row["n_returned"], row["n_requests"]) == (10, script.n_find)
    assert script.n_find > 3


def _window_key(lake, config):
    return next(iter(lake.current_paths("query_window", config.address("pull"))))


def test_a_minute_that_is_cut_short_stops(faulty, script, archive, lake, config):
    archive.add(*(make_nm(n) for n in range(1, 4)))  # all at 10:15:00
    script.find_cap = 1
    with pytest.raises(PlatformFaultError, match="one minute"):
        stage.find(WINDOW, lake, config, faulty)


def test_computed_attributes_may_be_missing(faulty, script, archive, lake, config):
    script.hidden = (
        "ModalitiesInStudy",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "NumberOfSeriesRelatedInstances",
        "SOPClassUID",
    )
    archive.add(make_nm(1), make_capture(1), make_nm(2, Modality="CT"))
    outcome = pull_one(faulty, lake, config)
    rows = lake.rows("instance", config.address("pull"), _only_key(outcome))
    assert sorted((row["is_stored"], row["reason"]) for row in rows) == [
        (False, "sop_class"),
        (True, ""),
    ]


def _only_key(outcome):
    return outcome.written[0].path.rsplit("study=", 1)[1].split(".")[0]


def test_a_study_of_another_modality_is_left_out(faulty, script, archive, lake, config):
    """Some archives ignore ModalitiesInStudy as a key and answer with every study."""

    def claim_all(answer):
        if "ModalitiesInStudy" in answer:
            answer.ModalitiesInStudy = ["CT"]

    archive.add(make_nm(1))
    script.edit_answer = claim_all
    assert stage.find(WINDOW, lake, config, faulty) == []


def test_an_answer_without_a_uid_is_shown_and_the_others_go_on(
    faulty, script, archive, lake, config
):
    archive.add(make_nm(1), make_nm(2))

    def spoil(answer):
        if answer.get("StudyInstanceUID") == study_uid(1):
            del answer.StudyInstanceUID

    script.edit_answer = spoil
    assert len(stage.find(WINDOW, lake, config, faulty)) == 1
    [row] = lake.quarantined()
    assert "no valid Study Instance UID" in row["problem"]


def test_a_uid_is_checked_before_it_is_used(faulty, script, archive, lake, config):
    archive.add(make_nm(1))

    def spoil(answer):
        if answer.QueryRetrieveLevel == "IMAGE":
            answer.add_new(0x00080018, "LO", "../../etc/passwd")

    script.edit_answer = spoil
    with pytest.raises(IncompleteStudyError, match="without a valid UID"):
        pull_one(faulty, lake, config)


def test_a_count_that_differs_from_the_list_is_incomplete(faulty, script, archive, lake, config):
    archive.add(make_nm(1), make_nm(1, instance=2))

    def claim_more(answer):
        if "NumberOfSeriesRelatedInstances" in answer:
            answer.NumberOfSeriesRelatedInstances = 3

    script.edit_answer = claim_more
    with pytest.raises(IncompleteStudyError, match="announces 3 objects, its list has 2"):
        pull_one(faulty, lake, config)


# ------------------------------------------------------------------------- C-GET


def test_whole_series_come_in_one_request(faulty, script, archive, lake, config):
    archive.add(*(make_nm(1, series=n) for n in range(1, 6)))
    assert pull_one(faulty, lake, config).status == "done"
    assert (script.n_get, script.get_levels) == (1, ["SERIES"])


def test_a_skipped_study_costs_no_c_get(faulty, script, archive, lake, config):
    archive.add(make_nm(1))
    pull_one(faulty, lake, config)
    assert pull_one(faulty, lake, config).status == "skipped"
    assert script.n_get == 1


def test_objects_are_asked_for_by_lists_of_a_size(archive, sites_of, lake, config):
    archive.add(*(make_nm(1, instance=n) for n in range(1, 8)))
    capture = make_capture(1, series=1, instance=9)
    archive.add(capture)
    script = Script()
    with Peer(archive, script) as peer:
        pull_one(sites_of(peer.port, uids_per_request=3), lake, config)
    assert script.get_levels == ["IMAGE"] * 3


def test_an_archive_that_refuses_lists_is_asked_one_by_one(faulty, script, archive, lake, config):
    archive.add(*(make_nm(1, series=n) for n in range(1, 4)))
    script.lists_refused = True
    assert pull_one(faulty, lake, config).status == "done"
    assert script.get_levels == ["SERIES", "IMAGE", "IMAGE", "IMAGE"]


def test_an_aborted_request_is_resumed(faulty, script, archive, lake, config):
    archive.add(*(make_nm(1, series=n) for n in range(1, 5)))
    script.get_abort_after = 2
    assert pull_one(faulty, lake, config).status == "done"
    assert len(list(lake.root.glob("dicom/*/*.dcm"))) == 4


def test_an_object_that_never_comes_is_incomplete(faulty, script, archive, lake, config):
    archive.add(make_nm(1), make_nm(1, series=2))
    script.withheld = (sop_uid(1, 2),)
    with pytest.raises(IncompleteStudyError, match="1 of 2 announced objects did not come"):
        pull_one(faulty, lake, config)
    assert not list(lake.root.glob("dicom/*/*.dcm"))
    assert list(faulty.staging.iterdir()) == []


def test_a_study_that_always_breaks_the_association_stops_only_itself(
    faulty, script, archive, lake, config
):
    archive.add(make_nm(1))
    script.get_abort_after = 0
    with pytest.raises(IncompleteStudyError, match="broke off"):
        pull_one(faulty, lake, config)


@leaves_socket
def test_an_archive_that_goes_away_is_down(swept, archive, sites_of, lake, config):
    archive.add(make_nm(1))
    with Peer(archive, Script()) as peer:
        sites = sites_of(peer.port)
        [key] = stage.find(WINDOW, lake, config, sites)
    with pytest.raises(ArchiveDownError):
        stage.run(key, lake, config, sites)


def test_same_uid_twice_with_other_bytes(faulty, script, archive, lake, config):
    archive.add(make_nm(1))
    script.twins = (sop_uid(1),)
    with pytest.raises(SameUidOtherBytesError, match="1 objects came twice"):
        pull_one(faulty, lake, config)


def test_same_uid_with_other_bytes_on_another_night(faulty, script, archive, lake, config):
    archive.add(make_nm(1))
    pull_one(faulty, lake, config)
    [path] = lake.root.glob("dicom/*/*.dcm")
    before = path.read_bytes()

    def alter(dataset):
        dataset.PixelData = bytes(len(dataset.PixelData))

    script.edit_object = alter
    with pytest.raises(SameUidOtherBytesError, match="other content"):
        pull_one(faulty, lake, config, force=True)
    assert path.read_bytes() == before


def test_a_corrected_name_is_not_another_object(faulty, script, archive, lake, config):
    archive.add(make_nm(1))
    [first] = pull_one(faulty, lake, config).written

    def rename(dataset):
        dataset.PatientName = "Invented^Married"

    script.edit_object = rename
    [again] = pull_one(faulty, lake, config, force=True).written
    assert again.content_sha256 == first.content_sha256
    assert len(list(lake.root.glob("dicom/*/*.dcm"))) == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"PixelData": b"\0" * 100}, "pixel data of 100 bytes, its header says 120"),
        ({"PixelData": b"\0" * 122}, "pixel data of 122 bytes"),
        ({"NumberOfFrames": "4"}, "header says 160"),
        ({"StudyInstanceUID": "1.2.3"}, "StudyInstanceUID under which it was announced"),
    ],
)
def test_a_broken_object_is_refused(faulty, script, archive, lake, config, change, problem):
    archive.add(make_nm(1))

    def spoil(dataset):
        for keyword, value in change.items():
            setattr(dataset, keyword, value)

    script.edit_object = spoil
    with pytest.raises(DicomFileError, match=problem):
        pull_one(faulty, lake, config)
    assert not list(lake.root.glob("dicom/*/*.dcm"))


def test_an_object_without_rows_is_refused(faulty, script, archive, lake, config):
    archive.add(make_nm(1))

    def spoil(dataset):
        del dataset.Rows

    script.edit_object = spoil
    with pytest.raises(DicomFileError, match="does not state its rows"):
        pull_one(faulty, lake, config)


def test_burned_in_text_stays_at_the_archive(faulty, archive, lake, config):
    archive.add(make_nm(1, BurnedInAnnotation="YES"))
    outcome = pull_one(faulty, lake, config)
    [row] = lake.rows("instance", config.address("pull"), _only_key(outcome))
    assert (row["is_stored"], row["reason"], row["path"]) == (False, "burned_in", "")


def test_a_full_staging_disk_is_the_platforms_fault(faulty, archive, lake, config, monkeypatch):
    archive.add(make_nm(1))
    from mpss_lib.pull.retrieve import delivery

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(delivery.Path, "write_bytes", full)
    with pytest.raises(PlatformFaultError, match="No space left"):
        pull_one(faulty, lake, config)


def test_no_message_and_no_log_quotes_a_patient(faulty, script, archive, lake, config, caplog):
    caplog.set_level("DEBUG")
    archive.add(make_nm(1))
    script.withheld = (sop_uid(1),)
    with pytest.raises(IncompleteStudyError) as found:
        pull_one(faulty, lake, config)
    script.withheld = ()
    pull_one(faulty, lake, config)
    text = caplog.text + str(found.value)
    for secret in ("Invented", "HOSP-", "ACC0", sop_uid(1), "19500615"):
        assert secret not in text


def test_association_is_a_context(sites):
    with ArchiveAssociation(sites.archive) as association:
        association.echo()
