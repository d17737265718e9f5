"""Sections of the settings that say which calcium is looked for beside a study."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from mpss_lib.sections import Section

ASK_BELOW = 0.75
"""Probability of a lesion's place below which a person is asked."""


class CompanionsSettings(Section):
    """Objects of the patient beside the study that hold calcium; nothing by default."""

    unhashed: ClassVar[frozenset[str]] = frozenset(
        {"calcium_reports", "calcium_ct", "attenuation_ct"}  # in the digest of the rows instead
    )

    calcium_reports: bool = False  # structured reports with calcium scores
    calcium_ct: bool = False  # the calcium scan, at most cohort.cac_max_days apart
    attenuation_ct: bool = False  # the CT of the study itself
    calcium_words: tuple[str, ...] = ()  # of the site, that name a calcium scan

    @property
    def is_asked_for(self) -> bool:
        """Whether anything is."""
        return self.calcium_reports or self.calcium_ct or self.attenuation_ct


class CalciumSettings(Section):
    """Calcium of reports and CTs."""

    mg_per_ml_hu: float = Field(default=0.0, ge=0, lt=10)  # calibration of the mass; 0: none
    ask_below: float = Field(default=ASK_BELOW, ge=0, le=1)  # probability of a lesion's place
