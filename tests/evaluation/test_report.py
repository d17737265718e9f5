from __future__ import annotations

import json
import re

from mpss_lib.config import SEGMENTS
from mpss_lib.evaluation.report import write_report


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
    assert "{" not in re.sub(r"<(style|pre|svg)\b.*?</\1>", "", text, flags=re.DOTALL)
    found = json.loads(data.read_text(encoding="utf-8"))
    assert found["cohort_hash"] == cohort
    steps = [(row["profile"], row["step"]) for row in found["selection"]]
    assert len(set(steps)) == len(steps) == 2 * 8
    assert set(found["selected"]) == {"as_published", "corrected"}
    assert answer["units"]


def test_the_same_numbers_give_the_same_bytes(evaluated):
    lake, config, cohort, _ = evaluated
    first = [path.read_bytes() for path in write_report(cohort, lake, config)]
    again = [path.read_bytes() for path in write_report(cohort, lake, config)]
    assert first == again
