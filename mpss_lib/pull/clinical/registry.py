"""Clinical rows and calcium scores from a registry (SQL or CSV) to the lake.

Each row is checked by ``contract``; rejected rows are kept with their reasons. Only pseudonyms
and shifted dates leave this module: a row meets its study in SQL, by accession key, else by
patient key and shifted date.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, timedelta, tzinfo
from zoneinfo import ZoneInfo

from mpss_lib.audit.doors import recording
from mpss_lib.batch import write_record
from mpss_lib.config import Config, Sites
from mpss_lib.contract import CODES, RANGES
from mpss_lib.locks import working
from mpss_lib.pull.clinical.registry_source import RawRow, canonical, read_rows
from mpss_lib.pull.clinical.row import CONTRACT_VERSION, CheckedRow, check_row
from mpss_lib.pull.vault import Vault
from mpss_lib.records import Unit
from mpss_lib.sections import PullSettings
from mpss_lib.tables import Lake, digest_of

log = logging.getLogger(__name__)

STAGE = "pull"
KEY = "all"


def import_registry(
    lake: Lake, config: Config, sites: Sites, *, run_name: str = "by hand"
) -> dict[str, int]:
    """Read the registry, check every row, write the ``clinical`` table.

    Parameters
    ----------
    lake, config, sites
        ``sites.registry_url`` is any SQLAlchemy URL or ``csv:////path/of/a/file.csv``; table,
        columns, codes, format and units of a site are named in ``config.pull.registry_*``.
    run_name : str
        Name of the run that asks; only its digest is stored.

    Returns
    -------
    dict
        ``given = accepted + rejected + withdrawn`` (rows of whom nothing may be kept), and
        ``skipped``: 1 where the same rows were there.

    Raises
    ------
    PlatformFaultError
        If the registry cannot be reached; it is named without its password.
    SettingsError
        If the table or a column of the mapping is not there.
    """
    with recording("import_registry", sites.vault.parent, config) as told:
        given = read_rows(sites.registry_url, config.pull)
        with working(lake.root):
            counts = _write_rows(given, lake, config, Vault(sites.vault), run_name)
        told.details |= {name: str(count) for name, count in counts.items()}
    return counts


def _write_rows(
    given: Sequence[RawRow], lake: Lake, config: Config, vault: Vault, run_name: str
) -> dict[str, int]:
    raw = _kept_rows(given, vault, config)
    address = config.address(STAGE)
    checked = check_rows(raw, config.pull, ZoneInfo(config.site.timezone))
    # What is wrong with a row may change with the day: a date is in the future only for a while.
    judged = json.dumps([row.reasons for row in checked])
    texts = (canonical(row) for row in raw)
    digest = digest_of([_made_by(config), vault.key_id, *texts, judged])
    there = lake.existing(STAGE, address, KEY, digest, tables=("clinical",))
    if there:
        written = there[0]
    else:
        rows = _lake_rows(raw, checked, vault, config.pull.max_shift_days)
        written = lake.write("clinical", address, KEY, digest, rows)
    unit = Unit.of(KEY, [written], is_new=not there)
    write_record(STAGE, [unit], lake, config, run_name)
    accepted = sum(not row.reasons for row in checked)
    counts = {
        "given": len(given),
        "accepted": accepted,
        "rejected": len(checked) - accepted,
        "withdrawn": len(given) - len(checked),
        "skipped": int(bool(there)),
    }
    rules = Counter(reason.split(":", 1)[0] for row in checked for reason in row.reasons)
    log.info("registry: %s, broken rules: %s", counts, dict(sorted(rules.items())))
    return counts


def _kept_rows(given: Sequence[RawRow], vault: Vault, config: Config) -> list[RawRow]:
    """Leave out the rows of patients and studies that were withdrawn."""
    settings, zone = config.pull, ZoneInfo(config.site.timezone)
    rows = [check_row(one, settings, zone=zone) for one in given]
    links = [_links(row, vault, settings.max_shift_days) for row in rows]
    gone = vault.withdrawn(text for texts in links for text in texts)
    return [one for one, texts in zip(given, links, strict=True) if not gone & set(texts)]


def _links(row: CheckedRow, vault: Vault, max_shift_days: int) -> list[str]:
    """Texts of which a tombstone would have been made: patient, accession, the patient's day."""
    patient_key = vault.patient_key(row.patient_id) if row.patient_id else ""
    links = [vault.accession_key(row.accession_number), patient_key]
    if patient_key and row.study_date is not None:
        shift = timedelta(days=vault.shift_days(patient_key, max_shift_days))
        links.append(day_of_patient(patient_key, row.study_date + shift))
    return [text for text in links if text]


def day_of_patient(patient_key: str, shifted: date) -> str:
    """Name a patient's day: what links a registry row without accession number to a study."""
    return f"{patient_key} {shifted.isoformat()}"


def check_rows(
    raw: Sequence[RawRow], settings: PullSettings, zone: tzinfo = UTC
) -> list[CheckedRow]:
    """Check each row by the contract (``zone``: the site's), then all of them for duplicates.

    Of rows that are the same in every value the first stays; rows that say different things about
    one study are all rejected: nobody can tell which one is right.
    """
    rows = [check_row(one, settings, zone=zone) for one in raw]
    same = Counter(canonical(one) for one in raw)
    seen: set[str] = set()
    by_link: dict[tuple[str, str], set[str]] = {}
    for one, row in zip(raw, rows, strict=True):
        by_link.setdefault(_link(row), set()).add(canonical(one))
    for one, row in zip(raw, rows, strict=True):
        text = canonical(one)
        if same[text] > 1 and text in seen:
            row.reasons.append("duplicate_row")
        seen.add(text)
        if _link(row) != ("", "") and len(by_link[_link(row)]) > 1:
            row.reasons.append(f"ambiguous: {len(by_link[_link(row)])} rows for one study")
    return rows


def _link(row: CheckedRow) -> tuple[str, str]:
    if row.accession_number:
        return ("accession", row.accession_number)
    if row.patient_id and row.study_date:
        return (row.patient_id, row.study_date.isoformat())
    return ("", "")


def _lake_rows(
    raw: Sequence[RawRow], checked: Sequence[CheckedRow], vault: Vault, max_shift_days: int
) -> list[dict[str, object]]:
    rows = []
    times: Counter[str] = Counter()
    for one, row in zip(raw, checked, strict=True):
        text = canonical(one)
        times[text] += 1
        patient_key = vault.patient_key(row.patient_id) if row.patient_id else ""
        shift = timedelta(days=vault.shift_days(patient_key, max_shift_days))
        rows.append(
            {
                "record_key": vault.record_key(f"{text}#{times[text]}"),
                "patient_key": patient_key,
                "accession_key": vault.accession_key(row.accession_number),
                "study_date_shifted": _shifted(row.study_date, shift, patient_key),
                "cac_date_shifted": _shifted(row.cac_date, shift, patient_key),
                **{
                    name: value
                    for name, value in row.values.items()
                    if name not in ("height_m", "weight_kg")
                },
                "is_accepted": not row.reasons,
                "reasons": row.reasons,
                "flags": row.flags,
            }
        )
    return sorted(rows, key=lambda row: str(row["record_key"]))


def _shifted(day: date | None, shift: timedelta, patient_key: str) -> date | None:
    """Shift a date by its patient's days; without a patient there is no date to keep."""
    return day + shift if day is not None and patient_key else None


def _made_by(config: Config) -> str:
    """Name what decides the rows beside the registry: mapping, the site's zone and contract."""
    settings = config.pull
    parts = [settings.registry_table, settings.registry_columns, settings.registry_codes]
    parts.append(config.site.timezone)
    parts.append(settings.registry_format.model_dump(mode="json"))
    contract = [dict(CODES), dict(RANGES), CONTRACT_VERSION]
    return json.dumps([*parts, *contract], sort_keys=True, default=dict)
