from __future__ import annotations

from mpss_lib.evaluation import paper
from mpss_lib.evaluation.table_three import PAPER, Pattern, pattern_here, pattern_text
from mpss_lib.sections import SEGMENTS


def rows(**x):
    return [
        {"test": "fisher", "profile": "as_published", "configuration": configuration,
         "segment": segment, "statistic": value, "threshold": 135.81}
        for configuration, values in x.items()
        for segment, value in zip(SEGMENTS, values, strict=True)
    ]  # fmt: skip


def test_the_pattern_of_the_paper_is_that_of_its_table():
    """Counted by hand in Table 3: LAD17 by radiomics, both RCA not by clinical terms, all else."""
    assert Pattern(radiomics=1, clinical=5, combined=7, gains=7) == PAPER
    printed = {name: tuple(x.values()) for name, x in paper.FISHER.items()}
    assert pattern_here(rows(**printed), "as_published") == PAPER


def test_a_pattern_counts_what_is_here_and_wants_every_segment():
    found = rows(radiomics=[100.0] * 7, clinical=[140.0] * 7, combined=[130.0] * 3 + [150.0] * 4)
    here = pattern_here(found, "as_published")
    assert here == Pattern(radiomics=0, clinical=7, combined=4, gains=4)
    assert "combined above clinical in 4 of 7" in here.told()
    assert "The paper: radiomics significant in 1 of 7" in pattern_text(found)
    assert pattern_text(found[:-1]) == ""
    assert pattern_here(found[:-1], "as_published") is None
    assert pattern_here(found, "corrected") is None
