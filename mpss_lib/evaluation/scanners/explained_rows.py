"""What the scanner explains of the chosen features, as rows of the lake table."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from mpss_lib.evaluation.design import encode
from mpss_lib.evaluation.inputs import Inputs
from mpss_lib.evaluation.rows import Rows, known
from mpss_lib.evaluation.scanners.explained import explained
from mpss_lib.sections import SEGMENTS


def effect_rows(inputs: Inputs) -> Rows:
    """Give one row for each profile, segment and feature; small scanners are taken together."""
    covariates = encode(inputs.clinical).columns
    rows: Rows = []
    for profile, chosen in inputs.selected.items():
        for s, segment in enumerate(SEGMENTS):
            found = explained(np.asarray(chosen.values[:, s]), covariates, inputs.pools)
            start = {"cohort_hash": inputs.cohort, "profile": profile, "segment": segment}
            for feature, one in zip(chosen.features, found, strict=True):
                told = {
                    name: known(value) if isinstance(value, float) else value
                    for name, value in asdict(one).items()
                }
                rows.append({**start, "feature": feature, "bins": chosen.bins, **told})
    return rows
