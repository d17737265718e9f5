"""A lake with a study and the reports and CTs beside it."""

from __future__ import annotations

from calcium_reports import PATIENT

from mpss_lib.config import Config
from mpss_lib.schemas import TABLES
from mpss_lib.tables import Lake, digest_of
from mpss_lib.whole_files import write_bytes

STUDY = "S0123456789abcdef"
ON = Config.model_validate({"companions": {"calcium_reports": True, "calcium_ct": True}})


def put(lake: Lake, **sources: tuple[str, list[bytes]]) -> Lake:
    """A study of the patient with these sources: name -> (kind, files)."""
    blank = dict.fromkeys(TABLES["study"].columns)
    told = {"study_key": STUDY, "patient_key": PATIENT, "accession_key": "", "modalities": []}
    lake.write("study", ON.address("pull"), STUDY, "d0", [blank | told | {"acquired_period": ""}])
    rows = []
    for name, (kind, contents) in sources.items():
        paths = []
        for number, content in enumerate(contents):
            path = lake.dicom_folder(STUDY) / "companions" / f"{name}.{number}.dcm"
            write_bytes(path, content)
            paths.append(lake.relative(path))
        row = {"study_key": STUDY, "source_key": name, "kind": kind, "series_key": name}
        row |= {"is_stored": True, "reason": "", "detail": "", "days": -3, "notes": []}
        row |= {"n_objects": len(paths), "n_bytes": 1, "paths": paths}
        rows.append(row | {"content_sha256": digest_of(contents)})
    lake.write("companion", ON.address("companions"), STUDY, digest_of(sources), rows)
    return lake


def sources_of(lake: Lake) -> dict[str, dict[str, object]]:
    rows = lake.rows("calcium_source", ON.address("calcium"), STUDY)
    return {str(row["source_key"]): row for row in rows}
