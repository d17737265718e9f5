from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from scipy.stats import binom

from mpss_lib import pages
from mpss_lib.evaluation import report
from mpss_lib.evaluation.calibration import NULL
from mpss_lib.evaluation.findings import gather
from mpss_lib.evaluation.inputs import load
from mpss_lib.evaluation.report import write_report
from mpss_lib.evaluation.report_calibration import again_table, null_tables, often_text, proxy_table
from mpss_lib.evaluation.report_summary import answer_table
from mpss_lib.evaluation.report_tables import EXACT
from mpss_lib.evaluation.scanner_tables import effect_table, held_out_table
from mpss_lib.evaluation.significance import is_at_floor
from mpss_lib.evaluation.stability_tables import stable_tables, stable_text
from mpss_lib.sections import SEGMENTS


def test_page_stands_alone_and_says_what_it_must(evaluated):
    lake, config, cohort, answer = evaluated
    page, data = write_report(cohort, lake, config)
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img|iframe)\b", text)
    assert not re.search(r"(src|href)=\"(?!#|data:)", text)
    assert text.count("<svg") == 8
    assert "not a medical device" in text
    assert "Under-powered" in text
    for word in ("as_published", "corrected", "Fisher", "median r", "winner rule", *SEGMENTS):
        assert word in text
    for heading in ("In short", "Where the paper contradicts itself"):
        assert re.search(f"<h2 id=\\w+>{heading}</h2>", text)
    assert text.count("<td>radiomics add to clinical terms</td>") == 1
    assert "{" not in re.sub(r"<(style|pre|svg)\b.*?</\1>", "", text, flags=re.DOTALL)
    found = json.loads(data.read_text(encoding="utf-8"))
    assert found["cohort_hash"] == cohort
    steps = [(row["profile"], row["step"]) for row in found["selection"]]
    assert len(set(steps)) == len(steps) == 2 * 9
    assert set(found["selected"]) == {"as_published", "corrected", "site"}
    assert len(found["paper_contradictions"]) == 21
    assert answer["units"]


def test_the_summary_counts_what_the_tests_say():
    def row(test, segment, p, x=0.0, profile="as_published"):
        return {"profile": profile, "test": test, "configuration": "radiomics", "segment": segment,
                "p_value": p, "p_error": 0.0, "p_adjusted": None,
                "statistic": x, "threshold": 135.8}  # fmt: skip

    rows = [
        row("fisher", "MYO", 0.001, 150.0),
        row("fisher", "LAD3", 0.2, 110.0),
        row("permutation_mean_r", "MYO", 0.05),
        row("permutation_mean_r", "LAD3", None),
        row("permutation_mean_r", "MYO", 0.051, profile="corrected"),
    ]
    assert [cell.text for cell in answer_table(rows).rows[0]] == [
        "radiomics alone predict",
        "1 of 7: LAD17",
        "1 of 2: MYO",
        "1 of 1: MYO",
        "0 of 1",
        "–",
    ]


def test_the_json_says_everything_that_the_page_shows(evaluated):
    """Each text of a cell, each sentence and each number of a figure stands in it."""
    lake, config, cohort, _ = evaluated
    found = gather(load(cohort, lake, config), lake, config)
    told = report.shown(found, config)
    names = set(re.findall(r"\b([a-z_]+)\b", report_template_values()))
    assert names == set(told), "the template takes what is not told, or leaves something out"
    data = json.loads(write_report(cohort, lake, config)[1].read_text(encoding="utf-8"))
    assert set(data["page"]) == set(told)
    cells = [c["text"] for row in data["page"]["added"]["areas"]["rows"] for c in row]
    assert cells == [c.text for row in told["added"]["areas"].rows for c in row]
    assert data["headline"]["sentence"] == told["headline"].sentence
    assert len(data["runs"]) == len(found.results)
    assert len(data["univariate"]) == len(found.univariate)
    assert len(data["decision_curves"]) == 7 * 3 * 5 * 30  # events, curves, thresholds


def report_template_values() -> str:
    """Names that the template takes from its values, other than figures."""
    from jinja2 import Environment, meta

    text = (Path(pages.__file__).parent / "templates" / "evaluation.html").read_text("utf-8")
    return " ".join(
        meta.find_undeclared_variables(Environment(autoescape=True).parse(text)) - {"figures"}
    )


def test_every_p_value_at_its_floor_is_marked(evaluated):
    lake, config, cohort, _ = evaluated
    found = gather(load(cohort, lake, config), lake, config)
    told = report.shown(found, config)
    at_floor = [row for row in found.tests if is_at_floor(row)]
    assert at_floor, "5 deals: some test is at its floor of 1/6"
    marked = [c for row in told["exact"].rows for c in row if c.note.startswith("floor")]
    assert len(marked) == sum(row["test"] in EXACT for row in at_floor)
    assert told["floors"] == "at the floor: 5 deals can give no less than .17"
    assert report.render(found, told).count("5 deals can give no less than .17") >= 2


def test_invented_patients_stand_under_a_banner(evaluated):
    lake, config, cohort, _ = evaluated
    found = gather(load(cohort, lake, config), lake, config)
    assert found.n_invented == 0
    banner = "These patients do not exist."
    assert banner not in report.render(found, report.shown(found, config))
    invented = replace(found, n_invented=len(found.inputs.studies))
    text = report.render(invented, report.shown(invented, config))
    assert text.index(banner) < text.index("<h1>")


def test_every_measured_error_rate_is_on_the_page():
    rows = [row for table in (*null_tables(), again_table(), proxy_table()) for row in table.rows]
    cells = [cell.text for row in rows for cell in row[1:]]
    shown = [text for text in cells if re.fullmatch(r"\d+ of \d+", text)]
    assert sorted(shown) == sorted(f"{k} of {n}" for _, _, n, *counts in NULL for k in counts)


def test_permutation_tests_above_their_limit_are_named_in_both_counts():
    over = {"null": set(), "again": set()}
    for world, name, n, _, at_05 in NULL:
        if name.startswith("corrected") and " permutation" in name:
            over[world] |= (
                {f"{at_05} of {n} at 0.05"} if at_05 > binom.ppf(0.99, n, 0.05) else set()
            )
    first, _, second = often_text().partition("Counted again:")
    for text, counted in ((first, over["null"]), (second, over["again"])):
        assert set(re.findall(r"\d+ of \d+ at 0\.05", text)) == counted


def test_texts_of_a_cohort_are_shown_and_never_run(evaluated):
    """Whatever the cohort holds: its texts stand on the page as they are, none is markup."""
    lake, config, cohort, _ = evaluated
    hostile = "<img src=x onerror=alert(1)>&\"'{{ 7 * 7 }}</script><script>alert(2)</script>"
    found = gather(load(cohort, lake, config), lake, config)
    terms = {f"{hostile} {name}": values for name, values in found.inputs.clinical.items()}
    selected = {
        profile: replace(one, features=(*one.features[1:], hostile))
        for profile, one in found.inputs.selected.items()
    }
    told = replace(
        found,
        inputs=replace(found.inputs, cohort=hostile, clinical=terms, selected=selected),
        counts=[row | {"step": hostile, "note": hostile} for row in found.counts],
        levels=[row | {"profile": hostile} for row in found.levels],
        better=[row | {"metric": hostile} for row in found.better],
        univariate=[row | {"feature": hostile} for row in found.univariate],
    )
    page = report.render(told, report.shown(told, config))
    assert not re.search(r"<(script|img)|&#39;49", page)
    assert page.count("&lt;img src=x onerror=alert(1)&gt;&amp;&#34;&#39;{{ 7 * 7 }}") >= 8


def test_the_same_numbers_give_the_same_bytes(evaluated):
    lake, config, cohort, _ = evaluated
    first = [path.read_bytes() for path in write_report(cohort, lake, config)]
    again = [path.read_bytes() for path in write_report(cohort, lake, config)]
    assert first == again


def test_scanner_tables_name_the_feature_that_owes_most_to_the_scanner():
    def effect(feature, share, p, segment="MYO"):
        return {"profile": "corrected", "segment": segment, "feature": feature, "n_scanners": 3,
                "epsilon_squared": share, "p_adjusted": p}  # fmt: skip

    rows = [effect("a", 0.2, 0.01), effect("b", 0.3, 0.2), effect("c", None, None)]
    assert [[c.text for c in row] for row in effect_table(rows).rows] == [
        ["MYO", "3", "2", "0.30", "b", "1"]
    ]
    held = [
        {"profile": "corrected", "metric": "spearman", "vendor": vendor, "segment": "MYO",
         "configuration": "clinical", "value": -0.1, "low": -0.3, "high": 0.1, "n_test": 12}
        for vendor in ("ACME", "")
    ]  # fmt: skip
    shown = [row[0].text for row in held_out_table(held).rows]
    assert "not stated (12), clinical" in shown
    assert {c.text for row in held_out_table(held).rows for c in row[1:]} == {"–", "−0.10"}


def test_stability_is_told_from_either_end():
    def row(k, segment, icc):
        return {"family": "all", "bins": 64, "feature": f"f{k:02d}", "segment": segment,
                "icc3": icc, "icc3_low": icc - 0.1, "icc3_high": icc + 0.1,
                "n_perturbations": 20}  # fmt: skip

    rows = [row(k, segment, k / 40) for k in range(40) for segment in ("MYO", "LAD3")]
    most, least = stable_tables(rows, 64)
    assert [one[0].text for one in most.rows] == [f"f{k:02d}" for k in range(39, 29, -1)]
    assert [one[0].text for one in least.rows] == [f"f{k:02d}" for k in range(10)]
    assert most.header[:2] == ("most stable, 64 grey levels", "median")
    assert most.rows[0][2].text == "0.97"
    few = [row for row in rows if row["feature"] < "f03"]
    assert [[one[0].text for one in t.rows] for t in stable_tables(few, 64)] == [["f02"], ["f00"]]
    assert [t.rows for t in stable_tables((), 64)] == [(), ()]
    assert stable_text(rows, 64) == (
        "10 of 40 features at 64 grey levels have an ICC(3,1) of at least 0.75 under 20"
        " perturbations (median over the segments)"
    )
    assert stable_text(rows, 32) == ""
