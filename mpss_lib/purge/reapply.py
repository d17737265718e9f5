"""Withdraw again: what a restored backup holds of people who were withdrawn after it was made."""

from __future__ import annotations

from collections.abc import Iterable

from mpss_lib.pull.vault import Vault
from mpss_lib.purge.phases import Report, purge
from mpss_lib.runtime.home import Home


def reapply(marks: Iterable[str], home: Home) -> list[Report]:
    """Purge every patient and study of the vault that has a tombstone.

    Parameters
    ----------
    marks : iterable of str
        Tombstones that are newer than the home's own.
    home : Home
        A restored home in which nothing runs.

    Returns
    -------
    list of Report
        One for each purge that was due.
    """
    vault = Vault(home.sites.vault)
    vault.add_tombstones(marks)
    known = vault.everybody()
    patients = vault.withdrawn({one.patient_key for one in known})
    studies = vault.withdrawn({one.study_key for one in known if one.patient_key not in patients})
    return [purge(key, home, is_at_rest=True) for key in sorted(patients | studies)]
