"""Which studies are fetched again and compared by their digests: recent ones, older ones in turn.

An archive does not say that it corrected an object under the same SOP Instance UID: only fetching
it again shows it. What was found is in ``mpss_lib.pull.upstream.corrections``.
"""

from __future__ import annotations

from datetime import date, timedelta

from mpss_lib.config import Config, Sites
from mpss_lib.dicom.values import parse_date
from mpss_lib.pull.received import ReceivedLedger
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.shelves import key_of
from mpss_lib.tables import Lake
from mpss_lib.upstream import CORRECTED, DELETED, noted


def due(lake: Lake, config: Config, sites: Sites, today: date) -> list[str]:
    """Choose the studies to fetch again.

    Parameters
    ----------
    today : date
        A date of the site.

    Returns
    -------
    list of str
        Keys of all fetched studies of the last ``maintenance.recheck_days``, then
        ``maintenance.recheck_studies`` older ones: those that were compared longest ago. Studies
        that the archive no longer has are left out, those whose correction waits too.
    """
    vault = Vault(sites.vault)
    fetched = {key_of(path) for path in lake.landing_files("instance", config.address("pull"))}
    settled = {one.study_key for one in noted(lake) if one.kind in (DELETED, CORRECTED)}
    known = [
        one
        for one in vault.everybody()
        if one.study_key in fetched and one.study_key not in settled
    ]
    first = today - timedelta(days=config.maintenance.recheck_days)
    recent = [one.study_key for one in known if _is_since(one, first)]
    checks = ReceivedLedger(vault).checks()
    older = sorted(
        {one.study_key for one in known} - set(recent), key=lambda key: (checks.get(key, ""), key)
    )
    return recent + older[: config.maintenance.recheck_studies]


def _is_since(identity: Identity, first: date) -> bool:
    day = parse_date(identity.study_date)
    return day is not None and day >= first
