"""Lists that are not whole: found out by their parts, whatever the archive's habits."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pacs_objects import make_capture, make_nm, study_uid
from peer import Peer, Script

from mpss_lib.batch import run_stage
from mpss_lib.config import Config
from mpss_lib.dicom.values import parse_date, parse_time
from mpss_lib.errors import ArchiveBusyError, IncompleteStudyError, PlatformFaultError
from mpss_lib.pull import stage
from mpss_lib.pull.archive.answers import StudyAnswer
from mpss_lib.pull.archive.habits import NOTHING_KNOWN, Habits, known_habits, remember_habits
from mpss_lib.pull.archive.listing import Listed, RangeRefusedError
from mpss_lib.pull.archive.modalities import list_undated, list_window
from mpss_lib.pull.archive.queries import Slice, literal_key
from mpss_lib.pull.vault import Vault
from mpss_lib.sections import PullSettings

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))
WEEK = (date(2026, 3, 1), date(2026, 3, 8))
MIXED = ("NM", "CT")

pacs = pytest.mark.pacs


# ------------------------------------------------------- an archive of answers, no sockets


class Archive:
    """Answers as an archive of studies would, with the habits that a test gives it."""

    def __init__(self, studies, *, cap=0, says=False, **habits):
        self.studies, self.cap, self.says, self.habits = studies, cap, says, habits
        self.n_asked = 0

    def ask(self, where, modality):
        self.n_asked += 1
        if self.habits.get("ranges") == "refused" and where.n_days > 1:
            raise RangeRefusedError
        found = [
            row
            for study in self.studies
            if self._matches(study, where, modality)
            for row in self._rows(study)
        ]
        is_cut = bool(self.cap) and len(found) > self.cap
        return Listed(tuple(found[: self.cap] if is_cut else found), 0, is_cut and self.says)

    def _matches(self, study, where, modality):
        return (
            self._has_modality(study, modality)
            and self._is_of_days(study, where)
            and self._is_of_times(study, where)
            and (study.patient_id.endswith(where.id_end) or "wildcards" in self.habits)
        )

    def _has_modality(self, study, modality):
        key = self.habits.get("modality")
        if not modality or key == "ignored":
            return True
        if key == "exact":  # compares the text of all modalities with the one that is asked for
            return study.modalities == (modality,)
        return key != "nothing" and modality in study.modalities

    def _is_of_days(self, study, where):
        if where.days is None or "ignores_days" in self.habits:
            return True
        day = parse_date(study.study_date)
        first, last = where.days
        if self.habits.get("ranges") == "first":
            last = first
        if self.habits.get("ranges") == "nothing" and first != last:
            return False
        return day is not None and first <= day <= last

    def _is_of_times(self, study, where):
        if where.is_whole_day or "ignores_times" in self.habits:
            return True
        clock = parse_time(study.study_time)
        at = None if clock is None else clock.hour * 3600 + clock.minute * 60 + clock.second
        return at is not None and where.seconds[0] <= at < where.seconds[1]

    def _rows(self, study):
        value = self.habits.get("value")
        if value == "empty":
            return [replace(study, modalities=())]
        if value == "rows":
            return [replace(study, modalities=(one,)) for one in study.modalities]
        return [study]

    def modalities_in(self, uid):
        return next(one.modalities for one in self.studies if one.study_uid == uid)


def study(n, day="20260302", clock="101500", patient=None, modalities=("NM",)):
    fields = dict.fromkeys(StudyAnswer.__dataclass_fields__, "")
    fields |= {"study_uid": f"1.2.{n}", "patient_id": patient or f"HOSP-{n:05d}"}
    fields |= {"study_date": day, "study_time": clock, "modalities": modalities}
    fields |= {"n_series": 1, "n_objects": 1, "unreadable": (), "persons": ()}
    return StudyAnswer(**fields)


def listed(archive, days=WEEK, known=NOTHING_KNOWN, limit=0):
    return list_window(archive.ask, archive.modalities_in, days, "NM", known, limit)


def uids(answer):
    return {one.study_uid for one in answer.studies}


def spread(n, **options):
    """Studies over the week and the day, each at its own minute."""
    return [
        study(k, f"202603{1 + k % 8:02d}", f"{8 + k % 9:02d}{k * 7 % 60:02d}00", **options)
        for k in range(n)
    ]


CAPS = (2, 3, 5, 7, 10, 16, 20)


@pytest.mark.parametrize("says", [True, False])
@pytest.mark.parametrize("cap", CAPS)
def test_a_capped_list_is_completed(cap, says):
    studies = spread(60)
    archive = Archive(studies, cap=cap, says=says)
    assert uids(listed(archive)) == {one.study_uid for one in studies}
    assert archive.n_asked < 1200


@pytest.mark.parametrize("cap", CAPS)
def test_a_silent_cap_of_a_single_day_is_found_out(cap):
    studies = [study(k, clock=f"{7 + k % 12:02d}{k:02d}00") for k in range(40)]
    answer = listed(Archive(studies, cap=cap), WINDOW)
    assert len(answer.studies) == 40
    assert answer.seen.says_cut is False
    assert answer.doubts == ()


@pytest.mark.parametrize("clock", ["101500", "000000", "235959"])
@pytest.mark.parametrize("cap", [2, 3, 5, 10])
def test_a_silent_cap_of_a_single_minute_is_found_out(cap, clock):
    """Some archives know no times: all studies of a day stand at midnight."""
    studies = [study(k, clock=clock) for k in range(17)]
    assert len(listed(Archive(studies, cap=cap), WINDOW).studies) == 17
    assert len(listed(Archive([*studies, study(99)], cap=cap), WINDOW).studies) == 18


def test_a_silent_cap_that_nothing_splits_stops():
    studies = [study(k, patient="ONE") for k in range(9)]
    archive = Archive(studies, cap=4)
    assert len(listed(archive, WINDOW).studies) == 4  # nothing tells: one patient, one minute
    more = Archive([*studies, study(50), study(51)], cap=4)
    with pytest.raises(PlatformFaultError, match="one minute"):
        listed(more, WINDOW)


def test_exactly_as_many_as_the_cap_are_no_fault():
    answer = listed(Archive(spread(20), cap=20))
    assert len(answer.studies) == 20
    assert (answer.doubts, answer.seen.cap) == ((), None)


def test_a_list_that_grows_meanwhile_is_no_cap():
    archive = Archive(spread(12))
    plain = archive.ask

    def grow(where, modality):
        if archive.n_asked == 1:
            archive.studies = [*archive.studies, study(99, "20260304", "130000")]
        return plain(where, modality)

    archive.ask = grow
    answer = listed(archive)
    assert len(answer.studies) == 13
    assert answer.seen.cap is None


def test_a_key_has_not_worked_before_a_mixed_study_was_found():
    assert listed(Archive(spread(9))).seen.modality_key == ""
    mixed = [*spread(9), study(50, modalities=MIXED)]
    assert listed(Archive(mixed)).seen.modality_key == "works"


def test_the_usual_night_costs_few_questions():
    known = Habits(day_ranges=True, modality_key="works")
    archive = Archive(spread(25))
    listed(archive, known=known)
    assert archive.n_asked <= 5
    empty = Archive([])
    listed(empty, known=known)
    assert empty.n_asked == 1


@pytest.mark.parametrize("ranges", ["refused", "nothing", "first"])
@pytest.mark.parametrize("n", [1, 2, 3, 30])
def test_an_archive_that_cannot_do_ranges_is_asked_day_by_day(ranges, n):
    studies = [study(k, f"202603{8 - k % 6:02d}", f"{8 + k % 9:02d}0000") for k in range(n)]
    answer = listed(Archive(studies, ranges=ranges))
    assert uids(answer) == {one.study_uid for one in studies}
    assert answer.seen.day_ranges is False


def test_a_capped_archive_without_ranges_is_completed():
    studies = spread(50)
    answer = listed(Archive(studies, ranges="first", cap=4))
    assert len(answer.studies) == 50


def test_an_archive_that_ignores_dates_is_checked_here():
    studies = [*spread(9), study(100, "20250101"), study(101, "20260401"), study(102, "")]
    answer = listed(Archive(studies, ignores_days=True))
    assert uids(answer) == {one.study_uid for one in studies} - {"1.2.100", "1.2.101"}
    assert answer.seen.keeps_to_days is False
    assert answer.doubts == ()  # 12 of them: nobody would choose that limit


def test_a_round_list_of_an_archive_that_ignores_dates_is_doubted():
    studies = [*spread(30), *(study(100 + k, "20250101") for k in range(90))]
    answer = listed(Archive(studies, ignores_days=True, cap=100))
    [doubt] = answer.doubts
    assert "answered 100 studies" in doubt


def test_a_cut_list_of_an_archive_that_ignores_dates_stops():
    studies = [*spread(30), *(study(100 + k, "20250101") for k in range(90))]
    with pytest.raises(PlatformFaultError, match="does not keep to the dates"):
        listed(Archive(studies, ignores_days=True, cap=100, says=True))


def test_a_cut_day_of_an_archive_that_ignores_times_stops():
    studies = [study(k, clock=f"{k % 24:02d}0000") for k in range(30)]
    with pytest.raises(PlatformFaultError, match="times"):
        listed(Archive(studies, ignores_times=True, cap=10, says=True), WINDOW)


@pytest.mark.parametrize("says", [True, False])
@pytest.mark.parametrize("n_untimed", [1, 4, 9])
def test_splits_by_time_do_not_lose_studies_without_one(n_untimed, says):
    timed = [study(k, clock=f"{7 + k % 12:02d}{k:02d}00") for k in range(20)]
    untimed = [study(100 + k, clock="") for k in range(n_untimed)]
    for studies in (timed + untimed, untimed + timed):  # behind the cut, before it
        answer = listed(Archive(studies, cap=8, says=says), WINDOW)
        assert uids(answer) == {one.study_uid for one in studies}
        assert answer.doubts == ()


def test_what_cannot_be_split_is_doubted():
    studies = [study(k, clock="") for k in range(20)]
    answer = listed(Archive(studies, cap=8, says=True, wildcards="none"), WINDOW)
    assert len(answer.studies) == 8
    assert "carry no StudyDate or StudyTime" in answer.doubts[0]


def test_a_minute_that_is_cut_stops():
    studies = [study(k) for k in range(9)]
    with pytest.raises(PlatformFaultError, match="one minute"):
        listed(Archive(studies, cap=4, says=True), WINDOW)


@pytest.mark.parametrize("value", [None, "empty", "rows"])
@pytest.mark.parametrize("key", [None, "ignored", "exact", "nothing"])
def test_no_study_vanishes_by_its_modalities(key, value):
    studies = [
        *spread(5),
        *(study(50 + k, f"2026030{2 + k}", modalities=MIXED) for k in range(3)),
        *(study(70 + k, f"2026030{2 + k}", modalities=("CT", "PT")) for k in range(3)),
    ]
    archive = Archive(studies, modality=key, value=value)
    answer = listed(archive)
    assert uids(answer) == {one.study_uid for one in studies if "NM" in one.modalities}
    assert all("NM" in one.modalities for one in answer.studies)
    known = NOTHING_KNOWN.joined(answer.seen)
    assert known.modality_key == {None: "works", "ignored": "ignored"}.get(key, "loses")
    assert uids(listed(archive, known=known)) == uids(answer)


@pytest.mark.parametrize("shown", [("NUCLEAR",), ("NUCMED", "CT"), ("?",)])
def test_a_word_that_is_no_modality_is_looked_up(shown):
    one = study(1)
    answer = list_window(
        lambda _where, _modality: Listed((replace(one, modalities=shown),)),
        lambda _uid: ("NM",),
        WEEK,
        "NM",
        NOTHING_KNOWN,
        0,
    )
    assert [found.modalities for found in answer.studies] == [("NM",)]


def test_a_study_of_which_not_even_the_series_tell_is_kept():
    answer = list_window(
        lambda _where, _modality: Listed((replace(study(1), modalities=()),)),
        lambda _uid: (),
        WEEK,
        "NM",
        NOTHING_KNOWN,
        0,
    )
    assert len(answer.studies) == 1


def test_studies_without_a_date_lie_in_no_window_and_are_found_without_one():
    studies = [*spread(20), study(50, ""), study(51, "unknown"), study(52, "20261399")]
    archive = Archive(studies)
    assert not uids(listed(archive)) & {"1.2.50", "1.2.51", "1.2.52"}
    answer = list_undated(archive.ask, archive.modalities_in, "NM", NOTHING_KNOWN, 0)
    assert uids(answer) == {"1.2.50", "1.2.51", "1.2.52"}


@pytest.mark.parametrize("says", [True, False])
def test_a_capped_list_of_everything_is_split_by_patients(says):
    studies = [*spread(80), *(study(100 + k, "") for k in range(8))]
    archive = Archive(studies, cap=20, says=says)
    answer = list_undated(archive.ask, archive.modalities_in, "NM", NOTHING_KNOWN, 0)
    assert len(answer.studies) == 8


days = st.integers(1, 8).map(lambda n: f"202603{n:02d}")
clocks = st.one_of(st.just(""), st.times().map(lambda clock: f"{clock:%H%M%S}"), st.just("101500"))


@given(
    st.lists(st.tuples(days, clocks, st.sampled_from([("NM",), MIXED, ("CT",)])), max_size=40),
    st.sampled_from([None, "refused", "nothing", "first"]),
    st.sampled_from([None, "ignored", "exact", "nothing"]),
    st.sampled_from([None, "empty", "rows"]),
    st.integers(0, 12),
    st.booleans(),
)
def test_a_list_is_whole_or_doubted_or_refused(rows, ranges, key, value, cap, says):
    studies = [study(n, *row[:2], modalities=row[2]) for n, row in enumerate(rows)]
    archive = Archive(studies, cap=cap, says=says, ranges=ranges, modality=key, value=value)
    wanted = {one.study_uid for one in studies if "NM" in one.modalities}
    try:
        answer = listed(archive)
    except PlatformFaultError:
        assert cap
        return
    assert uids(answer) <= wanted
    if not cap:
        assert uids(answer) == wanted
        assert answer.doubts == ()


@given(st.integers(0, 1439), st.integers(1, 1440), st.lists(st.times(), max_size=9))
def test_a_split_covers_what_it_splits(low, length, found):
    where = Slice((WEEK[0], WEEK[0]), (60 * low, 60 * min(low + length, 1440)))
    parts = where.split_at([], found)
    assert not parts or (parts[0].seconds[0], parts[-1].seconds[1]) == where.seconds
    assert all(a.seconds[1] == b.seconds[0] for a, b in pairwise(parts))
    assert all(part.seconds[0] < part.seconds[1] for part in parts)


@given(st.lists(st.dates(*WEEK), min_size=1, max_size=9))
def test_a_split_by_days_covers_each_of_them_once(found):
    where = Slice(WEEK)
    parts = where.split_at(found, []) or [where]
    covered = [day.days[0] for part in parts for day in part.single_days()]
    assert covered == [WEEK[0] + timedelta(days=n) for n in range(8)]


def test_a_wildcard_in_a_name_is_no_wildcard_in_a_question():
    assert literal_key("A*1\\2?") == "A?1?2?"


# -------------------------------------------------------------------- with an archive


def find(peer, sites_of, lake, config, window=WINDOW):
    return stage.find(window, lake, config, sites_of(peer.port, dimse_timeout_s=5))


def without(*keywords, level="STUDY"):
    def edit(question):
        if question.QueryRetrieveLevel == level:
            for keyword in keywords:
                setattr(question, keyword, "")

    return edit


@pacs
@pytest.mark.parametrize("status", [0xA700, 0xA701, 0xFE00, 0x0000])
def test_every_way_of_cutting_a_list(archive, sites_of, lake, config, status):
    archive.add(*(make_nm(n, study_time=f"{n:02d}0000") for n in range(1, 10)))
    with Peer(archive, Script(find_cap=4, find_cap_status=status)) as peer:
        assert len(find(peer, sites_of, lake, config)) == 9


@pacs
@pytest.mark.parametrize("status", [0xA900, 0xC001, 0xA700])
def test_ranges_that_are_refused(archive, sites_of, lake, config, status):
    archive.add(make_nm(1), make_nm(2, study_date="20260303"))

    def refuse(question):
        return status if "-" in str(question.get("StudyDate", "")) else 0

    with Peer(archive, Script(refuses=refuse)) as peer:
        assert len(find(peer, sites_of, lake, config)) == 2


def of_times(question):
    return str(question.get("StudyTime", "")) != ""


def of_times_or_stars(question):
    return of_times(question) or "*" in str(question.get("PatientID", ""))


def of_all_studies(question):
    named = ("ModalitiesInStudy", "StudyInstanceUID")
    return question.QueryRetrieveLevel == "STUDY" and not any(question.get(name) for name in named)


@pacs
@pytest.mark.parametrize("status", [0xA900, 0xC001])
@pytest.mark.parametrize("refused", [of_times, of_times_or_stars, of_all_studies])
def test_questions_that_only_prove_a_list_may_be_refused(
    archive, sites_of, lake, config, refused, status
):
    """A good archive that cannot do these has named every study: its night is not red."""
    archive.add(make_nm(1), make_nm(2), make_nm(3, study_date="20260303"), untimed(4))
    with Peer(archive, Script(refuses=lambda q: status if refused(q) else 0)) as peer:
        assert len(find(peer, sites_of, lake, config)) == 4
    assert lake.quarantined() == []


def untimed(patient):
    made = make_nm(patient)
    made.StudyTime = ""
    return made


@pytest.mark.parametrize(("key", "shown"), [("nothing", ("NM",)), ("exact", MIXED)])
def test_a_month_is_listed_whole_until_the_key_has_shown_that_it_works(key, shown):
    """The only study of the month lies outside of the days that are looked at as a sample."""
    month = (date(2026, 3, 1), date(2026, 3, 31))
    studies = [study(1, "20260302", modalities=shown)]
    answer = listed(Archive(studies, modality=key), month)
    assert uids(answer) == {studies[0].study_uid}
    assert answer.seen.modality_key == "loses"


def test_a_round_list_that_nothing_can_split_is_doubted():
    """No times and no wildcards: whether ten are ten or the first ten nobody can tell."""
    studies = [study(k, clock="") for k in range(25)]
    answer = listed(Archive(studies, cap=10, wildcards="none"), WINDOW)
    assert "neither StudyTime nor PatientID" in answer.doubts[0]
    assert listed(Archive(studies[:9], wildcards="none"), WINDOW).doubts == ()
    assert listed(Archive(studies[:10]), WINDOW).doubts == ()


@pytest.mark.parametrize("says", [True, False])
def test_a_cut_list_of_studies_without_time_and_patient_is_doubted(says):
    studies = [replace(study(k, clock=""), patient_id="") for k in range(25)]
    assert listed(Archive(studies, cap=10, says=says), WINDOW).doubts


def test_a_cap_that_only_a_minute_shows_holds_for_its_day():
    timed = [study(k, clock="120000") for k in range(20)]
    late = [study(100 + k, clock="") for k in range(3)]
    assert len(listed(Archive([*timed, *late], cap=10), WINDOW).studies) == 23


@pacs
def test_an_archive_that_refuses_everything_is_busy(archive, sites_of, lake, config):
    refusing = Peer(archive, Script(refuses=lambda _question: 0xC001))
    with refusing as peer, pytest.raises(ArchiveBusyError, match="0xC001"):
        find(peer, sites_of, lake, config)


@pacs
def test_dates_that_are_ignored(archive, sites_of, lake, config):
    archive.add(make_nm(1), make_nm(2, study_date="20250101"), make_nm(3, study_date="20260303"))
    with Peer(archive, Script(edit_query=without("StudyDate"))) as peer:
        keys = find(peer, sites_of, lake, config)
    vault_of = sites_of(1)
    vault = Vault(vault_of.vault)
    assert keys == sorted(vault.study_key(study_uid(n)) for n in (1, 3))


@pacs
@pytest.mark.parametrize("shown", ["CT/NM", "nm", "CT, nm", "CT;NM", "NUCLEAR"])
def test_modalities_in_any_writing(archive, sites_of, lake, config, shown):
    archive.add(make_nm(1), make_nm(1, series=2, Modality="CT"))

    def rewrite(answer):
        if "ModalitiesInStudy" in answer:
            answer.add_new(0x00080061, "LO", shown)

    with Peer(archive, Script(edit_answer=rewrite)) as peer:
        [key] = find(peer, sites_of, lake, config)
    [row] = lake.rows("study", config.address("pull"), key)
    assert "NM" in row["modalities"]


@pacs
@pytest.mark.parametrize("is_reversed", [True, False])
def test_one_row_for_each_modality(archive, sites_of, lake, config, is_reversed):
    archive.add(make_nm(1), make_nm(1, series=2, Modality="CT"), make_nm(2, Modality="CT"))

    def split(question, answers):
        if question.QueryRetrieveLevel != "STUDY":
            return answers
        rows = []
        for answer in answers:
            for modality in answer.ModalitiesInStudy if answer.get("ModalitiesInStudy") else ():
                row = deepcopy(answer)
                row.ModalitiesInStudy = modality
                rows.append(row)
        return rows[::-1] if is_reversed else rows

    def value(answer):
        return answer

    script = Script(edit_list=split, edit_query=without("ModalitiesInStudy"), edit_answer=value)
    with Peer(archive, script) as peer:
        [key] = find(peer, sites_of, lake, config)
    [row] = lake.rows("study", config.address("pull"), key)
    assert row["modalities"] == ["CT", "NM"]


@pacs
def test_a_study_whose_series_cannot_be_listed_does_not_hold_the_window(
    archive, sites_of, lake, config
):
    archive.add(make_nm(1), make_nm(2))

    def refuse(question):
        is_first = question.get("StudyInstanceUID") == study_uid(1)
        return 0xC001 if question.QueryRetrieveLevel == "SERIES" and is_first else 0

    with Peer(archive, Script(hidden=("ModalitiesInStudy",), refuses=refuse)) as peer:
        assert len(find(peer, sites_of, lake, config)) == 2


@pacs
def test_a_capped_list_of_series_is_no_whole_study(archive, sites_of, lake, config):
    """Level SERIES is cut silently: only the study's counts tell."""
    archive.add(*(make_nm(1, series=n) for n in range(1, 5)), make_nm(2))

    def cut(question, answers):
        return answers[:2] if question.QueryRetrieveLevel == "SERIES" else answers

    with Peer(archive, Script(edit_list=cut)) as peer:
        sites = sites_of(peer.port)
        keys = find(peer, sites_of, lake, config)
        result = run_stage("pull", keys, lake, config, sites)
        assert (result.done, result.quarantined) == (1, 1)
        [row] = lake.quarantined()
        assert row["problem"] == (
            "the archive counts 4 series and 4 objects of this study, its lists have 2 and 2"
        )
        assert "pull.counts" in row["way_out"]
        loose = Config(pull=PullSettings(counts="ignore"))
        assert stage.run(row["study_key"], lake, loose, sites).status == "done"


def claim(**counts):
    def edit(answer):
        for keyword, number in counts.items():
            if keyword in answer:
                setattr(answer, keyword, number)

    return edit


@pacs
@pytest.mark.parametrize(
    "counts",
    [
        {"NumberOfStudyRelatedInstances": 3},
        {"NumberOfStudyRelatedInstances": 1},
        {"NumberOfStudyRelatedInstances": 3, "NumberOfStudyRelatedSeries": 2},
    ],
)
def test_counts_that_stay_different_are_incomplete(archive, sites_of, lake, config, counts):
    archive.add(make_nm(1), make_capture(1))
    with Peer(archive, Script(edit_answer=claim(**counts))) as peer:
        [key] = find(peer, sites_of, lake, config)
        with pytest.raises(IncompleteStudyError, match="its lists have 2 and 2"):
            stage.run(key, lake, config, sites_of(peer.port))


@pacs
def test_a_site_may_ignore_counts_at_every_level(archive, sites_of, lake, config):
    archive.add(make_nm(1))
    wrong = claim(NumberOfSeriesRelatedInstances=7, NumberOfStudyRelatedInstances=7)
    loose = Config(pull=PullSettings(counts="ignore"))
    with Peer(archive, Script(edit_answer=wrong)) as peer:
        [key] = find(peer, sites_of, lake, config)
        with pytest.raises(IncompleteStudyError, match=r"announces 7 objects.*pull\.counts"):
            stage.run(key, lake, config, sites_of(peer.port))
        assert stage.run(key, lake, loose, sites_of(peer.port)).status == "done"


@pacs
def test_counts_that_a_level_below_confirms_are_whole(archive, sites_of, lake, config):
    """Series that were left carry no count, or a wrong one: their objects are listed."""
    archive.add(make_nm(1), *(make_nm(1, series=5, instance=n, Modality="CT") for n in (1, 2, 3)))
    wrong = claim(NumberOfSeriesRelatedInstances=1)
    for script in (Script(hidden=("NumberOfSeriesRelatedInstances",)), Script(edit_answer=wrong)):
        with Peer(archive, script) as peer:
            [key] = find(peer, sites_of, lake, config)
            assert stage.run(key, lake, config, sites_of(peer.port), force=True).status == "done"


@pacs
def test_an_empty_series_that_is_counted_is_no_fault(archive, sites_of, lake, config):
    archive.add(make_nm(1))
    with Peer(archive, Script(edit_answer=claim(NumberOfStudyRelatedSeries=2))) as peer:
        [key] = find(peer, sites_of, lake, config)
        assert stage.run(key, lake, config, sites_of(peer.port)).status == "done"


@pacs
def test_what_arrives_while_lists_are_asked_comes_with_the_next_night(
    archive, sites_of, lake, config
):
    archive.add(make_nm(1))
    late = []

    def arrive(question, answers):
        if question.QueryRetrieveLevel == "IMAGE" and not late:
            late.append(archive.add(make_nm(1, series=2)))
        return answers

    with Peer(archive, Script(edit_list=arrive)) as peer:
        for n_series in (1, 2):
            [key] = find(peer, sites_of, lake, config)
            assert stage.run(key, lake, config, sites_of(peer.port)).status == "done"
            rows = lake.rows("instance", config.address("pull"), key)
            assert len({row["series_key"] for row in rows}) == n_series
        assert stage.run(key, lake, config, sites_of(peer.port)).status == "skipped"


# --------------------------------------------------------------------------- habits


def test_habits_are_kept_beside_the_vault_for_each_archive(sites_of):
    sites = sites_of(104)
    assert known_habits(sites) == NOTHING_KNOWN
    seen = Habits(cap=100, says_cut=False, modality_key="works", largest_list=40)
    assert remember_habits(sites, seen) == seen
    path = sites.vault.with_name("archive-habits.json")
    assert path.stat().st_mode & 0o077 == 0
    assert known_habits(sites) == seen
    assert known_habits(sites_of(105)) == NOTHING_KNOWN
    before = path.stat().st_mtime_ns
    remember_habits(sites, Habits(largest_list=12))
    assert (known_habits(sites), path.stat().st_mtime_ns) == (seen, before)


def test_a_longer_list_lifts_a_cap():
    assert Habits(cap=100).joined(Habits(largest_list=250)).cap is None
    assert Habits(untimed=True).joined(Habits(untimed=None)).untimed is True


@pytest.mark.parametrize(
    "content", ["", "no json", "[]", '{"HOSPITAL@127.0.0.1:104": {"cap": "x"}}']
)
def test_a_broken_file_of_habits_is_learned_again(sites_of, content):
    sites = sites_of(104)
    sites.vault.with_name("archive-habits.json").write_text(content)
    assert known_habits(sites) == NOTHING_KNOWN
    assert remember_habits(sites, Habits(cap=5)).cap == 5


PLAIN = {
    "day_ranges": True,
    "keeps_to_days": True,
    "keeps_to_times": True,
    "wildcards": True,
    "modality_value": "there",
    "counts": True,
    "is_probed": True,
}


def differing(habits):
    return {name: getattr(habits, name) for name in PLAIN if getattr(habits, name) != PLAIN[name]}


@pacs
def test_the_first_find_learns_the_habits_of_a_good_archive(archive, sites, lake, config):
    assert stage.find(WINDOW, lake, config, sites) == []
    assert known_habits(sites).is_probed is False  # nothing to ask about
    archive.add(make_nm(1), make_nm(1, series=2, Modality="CT"))
    stage.find(WINDOW, lake, config, sites)
    habits = known_habits(sites)
    assert differing(habits) == {}
    assert (habits.modality_key, habits.cap) == ("works", None)


def at_noon(question):
    """Match every time of the day."""
    if question.QueryRetrieveLevel == "STUDY":
        question.StudyTime = ""


@pacs
@pytest.mark.parametrize(
    ("script", "learned"),
    [
        (Script(edit_query=at_noon), {"keeps_to_times": False}),
        (Script(edit_query=without("StudyDate")), {"keeps_to_days": False}),
        (Script(edit_query=without("PatientID")), {}),
        (
            Script(refuses=lambda q: 0xA900 if "*" in str(q.get("PatientID", "")) else 0),
            {"wildcards": False},
        ),
        (
            Script(refuses=lambda q: 0xA900 if "-" in str(q.get("StudyDate", "")) else 0),
            {"day_ranges": False},
        ),
        (Script(hidden=("ModalitiesInStudy",)), {"modality_value": "empty"}),
        (Script(hidden=("NumberOfStudyRelatedSeries",)), {"counts": False}),
    ],
)
def test_the_first_find_learns_what_an_archive_does_otherwise(
    archive, sites_of, lake, config, script, learned
):
    archive.add(make_nm(1))
    with Peer(archive, script) as peer:
        sites = sites_of(peer.port)
        assert len(stage.find(WINDOW, lake, config, sites)) == 1
        assert differing(known_habits(sites)) == learned
        before = script.n_find
        stage.find(WINDOW, lake, config, sites)
        assert script.n_find - before < before


@pacs
def test_an_archive_that_breaks_off_at_the_probe_holds_no_night(
    archive, sites_of, lake, config, caplog
):
    archive.add(make_nm(1))
    strange = Script(refuses=lambda q: 0x0124 if q.get("ModalitiesInStudy") == "OAM" else 0)
    with Peer(archive, strange) as peer:
        sites = sites_of(peer.port)
        assert len(stage.find(WINDOW, lake, config, sites)) == 1
        assert known_habits(sites).is_probed is False
    assert "habits could not be learned" in caplog.text
