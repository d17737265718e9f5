from __future__ import annotations

import json
import re

from mpss_lib.evaluation.calibration import NULL
from mpss_lib.evaluation.report import write_report
from mpss_lib.evaluation.report_summary import answer_table
from mpss_lib.evaluation.report_tables import null_table
from mpss_lib.sections import SEGMENTS


def test_page_stands_alone_and_says_what_it_must(evaluated):
    lake, config, cohort, answer = evaluated
    page, data = write_report(cohort, lake, config)
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img|iframe)\b", text)
    assert not re.search(r"(src|href)=\"(?!#|data:)", text)
    assert text.count("<svg") == 5
    assert "not a medical device" in text
    assert "Under-powered" in text
    for word in ("as_published", "corrected", "Fisher", "median r", "winner rule", *SEGMENTS):
        assert word in text
    for heading in ("In short", "Where the paper contradicts itself"):
        assert f"<h2>{heading}</h2>" in text
    assert text.count("<td>radiomics add to clinical terms</td>") == 1
    assert "{" not in re.sub(r"<(style|pre|svg)\b.*?</\1>", "", text, flags=re.DOTALL)
    found = json.loads(data.read_text(encoding="utf-8"))
    assert found["cohort_hash"] == cohort
    steps = [(row["profile"], row["step"]) for row in found["selection"]]
    assert len(set(steps)) == len(steps) == 2 * 8
    assert set(found["selected"]) == {"as_published", "corrected"}
    assert len(found["paper_contradictions"]) == 17
    assert answer["units"]


def test_the_summary_counts_what_the_tests_say():
    def row(test, segment, p, x=0.0, profile="as_published"):
        return {"profile": profile, "test": test, "configuration": "radiomics", "segment": segment,
                "p_value": p, "statistic": x, "threshold": 135.8}  # fmt: skip

    rows = [
        row("fisher", "MYO", 0.001, 150.0),
        row("fisher", "LAD3", 0.2, 110.0),
        row("permutation_mean_r", "MYO", 0.05),
        row("permutation_mean_r", "LAD3", None),
        row("permutation_mean_r", "MYO", 0.051, profile="corrected"),
    ]
    first = answer_table(rows).split("<tbody>")[1].split("</tr>")[0]
    assert re.findall(r"<td>(.*?)</td>", first) == [
        "radiomics alone predict",
        "1 of 7: LAD17",
        "1 of 2: MYO",
        "1 of 1: MYO",
        "0 of 1",
    ]


def test_every_measured_error_rate_is_on_the_page():
    cells = re.findall(r"<(?:b|span)>(\d+)</", null_table())
    assert sorted(map(int, cells)) == sorted(n for _, *counts in NULL for n in counts)


def test_the_same_numbers_give_the_same_bytes(evaluated):
    lake, config, cohort, _ = evaluated
    first = [path.read_bytes() for path in write_report(cohort, lake, config)]
    again = [path.read_bytes() for path in write_report(cohort, lake, config)]
    assert first == again
