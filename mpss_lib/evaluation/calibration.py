"""How often each test rejects where it is known what is there: the report quotes it.

Measured with ``tests/bench/null_calibration.py`` and ``tests/bench/planted_effects.py`` on
synthetic tables of 428 patients; the scripts print the rows as they stand here.
"""

from __future__ import annotations

NULL_COHORTS = 0
NULL_LIMITS = (8, 24)
"""A calibrated test holds its level if it rejects at most so many of 300 null cohorts."""

NULL: tuple[tuple[str, int, int], ...] = ()
"""Profile, configuration and test; rejections at .01 and at .05."""

PLANTED_COHORTS = 0
PLANTED: tuple[tuple[str, str, int, int, int], ...] = ()
"""Test and segment; rejections at .05 where an effect was planted, where there was nothing, and
where the signal was open."""
