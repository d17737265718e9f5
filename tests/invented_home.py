"""A home of invented people with everything in it that a purge must reach; no stage is run."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import struct
import zlib
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow.parquet as pq
from column_values import text_of
from fabricated_lake import Builder, clinical_row, row

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.config import Config, Sites
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.runtime.home import Home
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage as warehouse

COHORT = "c0ffee0123456789"
PEOPLE = (
    # PatientID, name, birth date, accession numbers (one for each study)
    ("QZ-770431-X", "Zqxvarden^Ottilie", "19470809", ("ACCQZ99120", "ACCQZ99121")),
    ("WB-110022-Y", "Wimmelbach^Gustav", "19521130", ("ACCWB55501",)),
    ("LK-334455-Z", "Lorenzkofen^Irmgard", "19470809", ("ACCLK77801",)),
)
"""The first one withdraws; the third has the same birth date and stays."""

SETTINGS = {
    "cohort": {"accept": "pass"},
    "warehouse": {"threads": 1, "compact_from": 2, "compact_studies": 2},
}


@dataclass
class Invented:
    """The home and who is in it."""

    root: object
    lake: Lake
    config: Config
    sites: Sites
    vault: Vault
    identities: list

    @property
    def home(self) -> Home:
        return Home(self.root, self.lake, self.config, self.sites)

    def of(self, person: int) -> list:
        return [one for one in self.identities if one.patient_id == PEOPLE[person][0]]

    def secrets(self, person: int) -> set[str]:
        """Everything that must be nowhere after a purge, written down without the purge's code."""
        found = set()
        for one in self.of(person):
            found |= {one.study_key, one.patient_key, one.accession_key, one.study_uid}
            found |= {one.patient_id, one.accession_number, one.patient_name}
            found |= {one.patient_name.replace("^", " "), one.patient_name.split("^")[0]}
            found |= {one.study_key + suffix for suffix in ("ac", "nac", "o1", "o2")}
            found |= {one.study_uid + ".1", f"R{one.study_key[1:]}"}
        return found


def settings() -> Config:
    return Config.model_validate(SETTINGS)


def make_home(root) -> Invented:
    config = settings()
    text = "[cohort]\naccept = 'pass'\n[warehouse]\nthreads = 1\ncompact_from = 2\n"
    root.mkdir(parents=True, exist_ok=True)
    (root / "mpss.toml").write_text(text + "compact_studies = 2\n")
    lake = Lake(root / "lake")
    vault = Vault(root / "vault.sqlite")
    sites = Sites(root / "vault.sqlite", root / "staging", ArchiveSettings())
    identities = [one for person in PEOPLE for one in _identities(person, vault)]
    vault.remember_studies(identities)
    build = Builder(lake, config)
    build.catalogue()
    for number, one in enumerate(identities):
        _study(build, vault, one, number)
    build.registry([_clinical(one) for one in identities])
    _cohort(build, identities)
    build.flush()
    warehouse.run(lake, config)
    home = Invented(root, lake, config, sites, vault, identities)
    _beside(home)
    return home


def copy_home(made: Invented, root) -> Invented:
    """Copy a home; the paths of the copy are its own, in its snapshot too."""
    shutil.copytree(made.root, root)
    sites = Sites(root / "vault.sqlite", root / "staging", ArchiveSettings())
    lake, vault = Lake(root / "lake"), Vault(sites.vault)
    warehouse.rebuild(lake, settings())
    return Invented(root, lake, settings(), sites, vault, made.identities)


def _identities(person, vault: Vault) -> list[Identity]:
    patient_id, name, birth, accessions = person
    found = []
    for number, accession in enumerate(accessions):
        uid = f"1.2.826.0.1.{sum(map(ord, patient_id))}.{number + 1}"
        found.append(
            Identity(
                study_key=vault.study_key(uid),
                study_uid=uid,
                patient_key=vault.patient_key(patient_id),
                accession_key=vault.accession_key(accession),
                patient_id=patient_id,
                issuer="",
                patient_name=name,
                birth_date=birth,
                accession_number=accession,
                study_date=f"2026030{number + 1}",
                study_time="101500",
            )
        )
    return found


def _study(build: Builder, vault: Vault, one: Identity, number: int) -> None:
    key = one.study_key
    build.through(key, one.patient_key, seed=number, day=number, accession=one.accession_key)
    build.ejection(key, 50.0 + number)
    build.calcium(key, "report", total=10.0 * number)
    build.predict(key, 10.0 * number, COHORT)
    build.review(key, "accept", f"2026-01-0{number + 1}T10:00:00Z")
    vault.remember_objects({key: {f"{key}o1": one.study_uid + ".1"}})
    lake = build.lake
    folder = lake.dicom_folder(key)
    folder.mkdir(parents=True)
    (folder / f"{key}o1.dcm").write_bytes(b"\0" * 128 + b"DICM" + one.patient_key.encode())
    mask = lake.mask_path(build.config.address("segmentation"), key, "0123456789abcdef")
    mask.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(mask, name=np.array([key]))
    picture = lake.root / "pictures" / f"{key}.montage.png"
    picture.parent.mkdir(exist_ok=True)
    picture.write_bytes(png_with(key))


def _clinical(one: Identity) -> dict:
    return clinical_row(
        f"R{one.study_key[1:]}", "", one.patient_key, accession_key=one.accession_key
    )


def _cohort(build: Builder, identities) -> None:
    first_of = {}
    for one in identities:
        first_of.setdefault(one.patient_key, one)
    chosen = list(first_of.values())
    members = [
        row("cohort_member", cohort_hash=COHORT, study_key=o.study_key, patient_key=o.patient_key)
        for o in chosen
    ]
    outcomes = [row("cohort_outcome", cohort_hash=COHORT, study_key=o.study_key) for o in chosen]
    keys = [one.study_key for one in chosen]
    files = [build.write("cohort_member", COHORT, members)]
    build.record(
        "warehouse", COHORT, "done", [*files, build.write("cohort_outcome", COHORT, outcomes)]
    )
    names = {"cohort_hash": COHORT, "profile": "p", "segment": "MYO", "configuration": "c"}
    model = row("model", **names, model_key="m", test_studies=keys, residuals=[1.0, 2.0, 3.0])
    split = [row("split_prediction", **names, study_key=key, value=1.0) for key in keys]
    result = row("split_result", **names, r=0.5, is_valid=True)
    term = row("model_term", model_key="m", term="age")
    tables = {"model": [model], "model_term": [term], "split_result": [result]}
    tables["split_prediction"] = split
    tables |= _added(keys)
    files = [build.write(name, COHORT, rows) for name, rows in tables.items()]
    build.record("evaluation", COHORT, "done", files)


def _added(keys) -> dict[str, list[dict]]:
    """What the evaluation counts over its patients: sums keep a patient who is withdrawn."""
    names = {"cohort_hash": COHORT, "profile": "p", "segment": "MYO", "configuration": "combined"}
    chances = {"p_any": 0.8, "p_at_least_100": 0.4, "p_above_400": 0.1}
    pooled = [
        row("pooled_prediction", **names, study_key=k, n_runs=1, value=1.0, **chances) for k in keys
    ]
    moved = {"compared_with": "clinical", "observed": 0, "reference": 0, "moved_to": 1}
    spearman = {"compared_with": "", "measure": "spearman", "grouping": "sex"}
    return {
        "pooled_prediction": pooled,
        "reclassification": [row("reclassification", **names, **moved, n=len(keys))],
        "group_performance": [
            row("group_performance", **names, **spearman, group_name=name, n=n)
            for name, n in (("female", 2), ("male", len(keys) - 2))
        ],
    }


def _beside(home: Invented) -> None:
    """What lies beside the tables: quarantine, logs, staging, temporary files, a report."""
    for one in home.identities:
        home.lake.quarantine("quality", one.study_key, error="X", problem="p", way_out="w")
    keys = [one.study_key for one in home.identities]
    logs = home.root / "logs"
    logs.mkdir()
    (logs / "scheduler.log").write_text(
        "".join(f"{i} of 9: {k} done\n" for i, k in enumerate(keys))
    )
    (logs / "scheduler.log.1.gz").write_bytes(gzip.compress("\n".join(keys).encode()))
    task = home.root / "airflow" / "logs" / "dag_id=mpss_ingest" / "attempt=1.log"
    task.parent.mkdir(parents=True)
    lines = [{"timestamp": "2026-01-01T00:00:00Z", "event": f"keys {keys}"}]
    lines += [{"timestamp": "2026-01-01T00:00:00Z", "event": k, "level": "info"} for k in keys]
    task.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for one in home.identities:
        folder = home.sites.staging / f"{one.study_key}.abc"
        folder.mkdir(parents=True)
        (folder / "0.dcm").write_bytes(one.patient_name.encode())
    (home.lake.root / "landing" / ".tmp-x.parquet").write_bytes(keys[0].encode())
    reports = home.lake.root / "reports"
    reports.mkdir()
    (reports / "page.html").write_text(f"<p>all</p>\n<p>{keys[0]}</p>\n<p>end</p>")


def png_with(text: str) -> bytes:
    """A PNG whose compressed text chunk holds a text."""
    data = b"Title\0\0" + zlib.compress(text.encode())
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), (b"zTXt", data)]
    chunks += [(b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def grep(root, secrets, *, leave_out=()) -> dict[str, list[str]]:
    """Where secrets are, found by plain means: another way than the one of the purge.

    The audit log stays as it was written: keys of studies and patients may stand there.
    """
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.split("/")[0] in leave_out:
            continue
        content = (name + "\n").encode()
        if path.is_file():
            content += _content(path)
        upper = content.upper()
        hits = sorted(s for s in secrets if s.encode().upper() in upper)
        if name.startswith("audit/"):
            hits = [one for one in hits if not re.fullmatch("[SP][0-9a-f]{16}", one)]
        if hits:
            found[name] = hits
    return found


def _content(path) -> bytes:
    raw = path.read_bytes()
    if path.suffix == ".parquet" and raw.startswith(b"PAR1"):
        return raw + text_of(pq.read_table(path, partitioning=None))
    if path.suffix == ".gz":
        return gzip.decompress(raw)
    if path.suffix == ".npz":
        with np.load(path) as data:
            return b" ".join(repr(data[n].tolist()).encode() for n in data.files if n == "name")
    if path.suffix == ".png" and b"zTXt" in raw:
        at = raw.index(b"zTXt") + 4
        return raw + zlib.decompressobj().decompress(raw[raw.index(b"\0\0", at) + 2 :])
    if path.suffix == ".duckdb":
        return raw + _snapshot(path)
    return raw


def _snapshot(path) -> bytes:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as seen (read_only)")
        names = connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'seen'"
            " union all"
            " select schema_name, view_name from duckdb_views()"
            " where database_name = 'seen' and not internal"
        ).fetchall()
        return b"".join(
            text_of(connection.sql(f'select * from seen."{s}"."{t}"').to_arrow_table())
            for s, t in names
            if s != "feature"
        )
