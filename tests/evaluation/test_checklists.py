"""Reporting checklists: whole, honest, and answered from settings and lake."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import replace

import pytest

from mpss_lib.config import Config
from mpss_lib.evaluation.checklists import clear, ibsi, metrics, tripod_ai
from mpss_lib.evaluation.checklists.answers import AUTHOR, NO, PARTLY, YES, Answer
from mpss_lib.evaluation.checklists.facts import gather_facts
from mpss_lib.evaluation.checklists.items import Item, read_items
from mpss_lib.evaluation.checklists.sheet import (
    CHECKLISTS,
    NOTHING,
    SHEET,
    Line,
    answer_of,
    fill_in,
    metrics_score,
    rule_named,
    write_checklists,
)
from mpss_lib.evaluation.findings import gather
from mpss_lib.evaluation.inputs import load
from mpss_lib.evaluation.report import write_report


@pytest.fixture
def facts(evaluated):
    lake, config, cohort, _ = evaluated
    found = gather(load(cohort, lake, config), lake, config)
    volume = {"is_chosen": True, "manufacturer": "ACME", "model": "One", "attenuation": "NAC",
              "reconstruction": "unknown", "n_time_slots": 8, "dz_mm": 4.8, "dy_mm": 4.8,
              "dx_mm": 4.8}  # fmt: skip
    sheet = {"56a": ("histogram: fixed bin number",), "59": ("compliance: all",)}
    masks = [{"masks_from": "automatic"}] * 30
    plain = gather_facts(found, lake, config)
    plain = replace(plain, found=replace(plain.found, held_out=()))
    return replace(plain, volumes=[volume] * 30, masks=masks, sheet=sheet)


def test_every_item_of_the_guidelines_is_there():
    assert len(tripod_ai.ITEMS) == 52
    mains = [int(re.match(r"\d+", item.number)[0]) for item in tripod_ai.ITEMS]
    assert sorted(set(mains)) == list(range(1, 28))
    assert [item.number for item in clear.ITEMS] == [str(k) for k in range(1, 59)]
    assert [item.number for item in metrics.ITEMS] == [str(k) for k in range(1, 31)]
    assert sum(item.weight for item in metrics.ITEMS) == pytest.approx(1.0, abs=1e-9)
    covered = set()
    for item in ibsi.ITEMS:
        first, _, last = re.sub(r"[a-e](-[a-e])?", "", item.number).partition("-")
        covered |= set(range(int(first), int(last or first) + 1))
    assert covered == set(range(1, 77))


def test_every_item_names_a_rule_that_exists():
    for _, items in CHECKLISTS.values():
        assert len({item.number for item in items}) == len(items)
        for item in items:
            if item.answer != AUTHOR and not item.answer.startswith((SHEET, NOTHING)):
                assert callable(rule_named(item.answer)), item
    with pytest.raises(KeyError, match="nobody"):
        rule_named("nobody")


def test_what_is_not_there_is_named(facts):
    """A no, or a part, says what is missing; nothing else does; yes says something."""
    sheets = fill_in(facts)
    states = Counter(line.answer.state for sheet in sheets for line in sheet.lines)
    assert min(states[NO], states[PARTLY], states[YES], states[AUTHOR]) > 5
    for sheet in sheets:
        for line in sheet.lines:
            answer = line.answer
            assert bool(answer.missing) == (answer.state in (NO, PARTLY)), line
            assert answer.text or answer.state in (NO, AUTHOR), line


SETTINGS = (
    ("tripod_ai", "6b", {"cohort": {"reading": "any"}}),
    ("tripod_ai", "6b", {"cohort": {"accept": "pass"}}),
    ("tripod_ai", "7", {"quality": {"limits_version": "site-1"}}),
    ("tripod_ai", "8a", {"cohort": {"cac_max_days": 30}}),
    ("tripod_ai", "11", {"evaluation": {"missing": "error"}}),
    ("clear", "11", {"cohort": {"cac_max_days": 30}}),
    ("clear", "19", {"segmentation": {"masks_from": "contours_else_automatic"}}),
    ("clear", "25", {"radiomics": {"ivh_bins": 500}}),
    ("clear", "27", {"radiomics": {"bins": [32, 64]}}),
    ("clear", "41", {"evaluation": {"permutations": 999}}),
    ("metrics", "7", {"cohort": {"cac_max_days": 7}}),
    ("ibsi", "9a", {"intake": {"gated": "refuse"}}),
    ("ibsi", "48c", {"segmentation": {"wall_mm": 8.0}}),
)


@pytest.mark.parametrize(("name", "number", "changed"), SETTINGS)
def test_a_setting_changes_the_answer(facts, name, number, changed):
    [item] = [one for one in CHECKLISTS[name][1] if one.number == number]
    other = Config.model_validate(changed)
    base = replace(facts, config=Config())
    assert answer_of(item, base) != answer_of(item, replace(facts, config=other))


LAKE = (
    ("tripod_ai", "5a", lambda f: replace(f, found=replace(f.found, n_invented=30)), NO),
    ("tripod_ai", "12d", lambda f: replace(f, volumes=other_maker(f.volumes)), NO),
    ("tripod_ai", "12d", lambda f: held_out(replace(f, volumes=other_maker(f.volumes))), YES),
    ("clear", "31", lambda f: stable(f), YES),
    ("clear", "46", lambda f: stable(f), YES),
    ("metrics", "14", lambda f: stable(f), YES),
    ("ibsi", "60", lambda f: stable(f), YES),
    ("tripod_ai", "22", lambda f: replace(f, n_models=0), NO),
    ("tripod_ai", "23a", lambda f: replace(f, found=replace(f.found, added=())), NO),
    ("tripod_ai", "23a", lambda f: grouped(f, sex=0.4, race=0.4), YES),
    ("tripod_ai", "14", lambda f: grouped(f, sex=0.4, race=0.4), YES),
    ("tripod_ai", "14", lambda f: grouped(f, sex=0.4, race=None), PARTLY),
    ("clear", "20", lambda f: replace(f, masks=[{"masks_from": "contours"}] * 30), AUTHOR),
    ("clear", "23", lambda f: replace(f, sheet={}), NO),
    ("metrics", "2", lambda f: replace(f, found=replace(f.found, n_invented=30)), NO),
    ("metrics", "9", lambda f: replace(f, n_compared=30), YES),
    ("metrics", "10", lambda f: replace(f, masks=[*f.masks, {"masks_from": "contours"}]), NO),
    ("metrics", "22", lambda f: replace(f, found=replace(f.found, calibration=())), NO),
    ("ibsi", "7", lambda f: replace(f, volumes=[]), NO),
    ("ibsi", "32a", lambda f: replace(f, volumes=known(f.volumes)), YES),
    ("ibsi", "49", lambda f: replace(f, masks=[{"masks_from": "contours"}] * 30), YES),
)


def other_maker(volumes):
    return [*volumes, volumes[0] | {"manufacturer": "Other"}]


def held_out(facts):
    return replace(facts, found=replace(facts.found, held_out=[{"value": 0.3}]))


def grouped(facts, **groupings):
    """Each grouping has one group, with this rank correlation or none: too few patients."""
    asked = {"profile": "corrected", "segment": "MYO", "configuration": "combined"}
    rows = [
        {**asked, "compared_with": "", "measure": "spearman", "grouping": grouping,
         "group_name": "one", "value": value}
        for grouping, value in groupings.items()
    ]  # fmt: skip
    return replace(facts, found=replace(facts.found, by_group=rows))


def stable(facts):
    bins = facts.found.inputs.selected["corrected"].bins
    row = {"family": "all", "bins": bins, "feature": "a", "segment": "MYO", "icc3": 0.9,
           "icc3_low": 0.8, "icc3_high": 0.95, "n_perturbations": 20}  # fmt: skip
    return replace(facts, found=replace(facts.found, stability=[row]))


def known(volumes):
    return [row | {"reconstruction": "FBP"} for row in volumes]


@pytest.mark.parametrize(("name", "number", "change", "state"), LAKE)
def test_the_lake_changes_the_answer(facts, name, number, change, state):
    [item] = [one for one in CHECKLISTS[name][1] if one.number == number]
    assert answer_of(item, facts).state != state
    assert answer_of(item, change(facts)).state == state


def test_dimensions_fit_where_there_are_patients_enough(facts):
    item = next(one for one in metrics.ITEMS if one.number == "16")
    answer = answer_of(item, facts)
    assert answer.state == NO
    assert answer.missing == f"{facts.needed.most} patients (Riley et al.)"
    assert facts.needed.most > 1000 > facts.n


def test_the_score_of_metrics_is_a_range():
    items = [Item(str(k), "", "", "", weight) for k, weight in enumerate((0.5, 0.2, 0.2, 0.1))]
    answers = [Answer(YES), Answer(AUTHOR), Answer(NO, "", "x"), Answer("not applicable", "y")]
    lines = [Line(item, answer) for item, answer in zip(items, answers, strict=True)]
    assert metrics_score(lines) == "55.6 to 77.8 %"
    assert metrics_score([Line(replace(items[0], weight=0.0), answers[0])]) == ""


def test_files_hold_every_item(evaluated, tmp_path):
    lake, config, cohort, _ = evaluated
    found = gather(load(cohort, lake, config), lake, config)
    page, *sheets = write_checklists(found, lake, config, tmp_path / "report.2.abc")
    assert page.name == "report.2.abc.checklists.html"
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img|iframe)\b", text)
    for path, (name, (title, items)) in zip(sheets, CHECKLISTS.items(), strict=True):
        assert path.name == f"report.2.abc.{name}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["item"] for row in rows] == [item.number for item in items]
        assert title in text
    again = [path.read_bytes() for path in (page, *sheets)]
    write_checklists(found, lake, config, tmp_path / "report.2.abc")
    assert [path.read_bytes() for path in (page, *sheets)] == again


def test_the_report_writes_them_beside_itself(evaluated):
    lake, config, cohort, _ = evaluated
    page, _ = write_report(cohort, lake, config)
    names = [f"{page.stem}.{name}.csv" for name in CHECKLISTS] + [f"{page.stem}.checklists.html"]
    assert {path.name for path in page.parent.iterdir()} >= {page.name, *names}


def test_items_are_read_with_their_sections():
    assert read_items("# One\n1 | a | author\n# Two\n2 | b | model | 0.5") == (
        Item("1", "One", "a", "author"),
        Item("2", "Two", "b", "model", 0.5),
    )
