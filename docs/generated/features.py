"""The 487 features with their IBSI codes."""

from __future__ import annotations

from mpss_lib.papers.tables import markdown
from mpss_lib.radiomics.catalogue import BY_NAME, FAMILIES, names_of

FIELDS = ("human_name", "ibsi_code", "aggregation", "aggregation_code", "unit")


def features() -> str:
    """Give a table for each family of features."""
    parts = []
    for family in FAMILIES:
        those = [BY_NAME[name] for name in names_of(family)]
        rows = [
            (
                f"`{one.sera_name}`",
                one.human_name,
                one.ibsi_code,
                one.aggregation,
                one.aggregation_code,
                one.unit,
            )
            for one in those
        ]
        columns = ("column", "feature", "IBSI code", "aggregation", "IBSI code of it", "unit")
        parts.append(f"## {family} ({those[0].family_code})\n\n{markdown(columns, rows)}")
    return "\n".join(parts)
