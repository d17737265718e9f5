"""Index of a folder of objects: SQLite tables and the matching rules of C-FIND.

The embedded archive answers by it, and so does a folder or medium that studies are loaded from.

Matching follows PS3.4 C.2.2.2: single value, list of UIDs, universal (empty key), wildcard and
range. ``ModalitiesInStudy`` and the ``NumberOfStudyRelated*`` counts are computed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

LEVELS = ("STUDY", "SERIES", "IMAGE")


@dataclass(frozen=True)
class Key:
    """One attribute that the archive indexes.

    Parameters
    ----------
    keyword : str
        DICOM keyword; also the name of the column.
    level : str
        ``STUDY``, ``SERIES`` or ``IMAGE``.
    matching : str
        ``uid``, ``range`` (dates, times) or ``text``.
    """

    keyword: str
    level: str
    matching: str = "text"


KEYS: Mapping[str, Key] = {
    key.keyword: key
    for key in (
        Key("StudyInstanceUID", "STUDY", "uid"),
        Key("PatientID", "STUDY"),
        Key("IssuerOfPatientID", "STUDY"),
        Key("PatientName", "STUDY"),
        Key("PatientBirthDate", "STUDY", "range"),
        Key("PatientSex", "STUDY"),
        Key("StudyDate", "STUDY", "range"),
        Key("StudyTime", "STUDY", "range"),
        Key("AccessionNumber", "STUDY"),
        Key("StudyID", "STUDY"),
        Key("StudyDescription", "STUDY"),
        Key("ReferringPhysicianName", "STUDY"),
        Key("SeriesInstanceUID", "SERIES", "uid"),
        Key("Modality", "SERIES"),
        Key("SeriesNumber", "SERIES"),
        Key("SeriesDescription", "SERIES"),
        Key("SeriesDate", "SERIES", "range"),
        Key("SeriesTime", "SERIES", "range"),
        Key("SOPInstanceUID", "IMAGE", "uid"),
        Key("SOPClassUID", "IMAGE", "uid"),
        Key("InstanceNumber", "IMAGE"),
        Key("ContentDate", "IMAGE", "range"),
        Key("ContentTime", "IMAGE", "range"),
        Key("NumberOfFrames", "IMAGE"),
    )
}

_OF_STUDY = {
    "ModalitiesInStudy": "(select group_concat(distinct r.Modality) from series as r"
    " where r.StudyInstanceUID = study.StudyInstanceUID)",
    "NumberOfStudyRelatedSeries": "(select count(*) from series as r"
    " where r.StudyInstanceUID = study.StudyInstanceUID)",
    "NumberOfStudyRelatedInstances": "(select count(*) from image as r"
    " where r.StudyInstanceUID = study.StudyInstanceUID)",
}
_OF_SERIES = {
    "NumberOfSeriesRelatedInstances": "(select count(*) from image as r"
    " where r.SeriesInstanceUID = series.SeriesInstanceUID)"
}
_FROM = {
    "STUDY": "study",
    "SERIES": "study join series using (StudyInstanceUID)",
    "IMAGE": "study join series using (StudyInstanceUID)"
    " join image using (StudyInstanceUID, SeriesInstanceUID)",
}
_PARENT_UIDS = {
    "STUDY": (),
    "SERIES": ("StudyInstanceUID",),
    "IMAGE": ("StudyInstanceUID", "SeriesInstanceUID"),
}


@dataclass(frozen=True)
class Stored:
    """Where an object lies."""

    sop_uid: str
    path: Path
    content_sha256: str


class UnknownLevelError(ValueError):
    """A query asks for a level that the archive does not offer."""


class Index:
    """The SQLite index of a folder; safe for many threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._opened() as db:
            db.execute("pragma journal_mode = wal")
            for statement in _create_statements():
                db.execute(statement)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as db:
            db.execute("pragma synchronous = normal")
            yield db

    # ---------------------------------------------------------------- write

    def insert(self, header: Dataset, path: str, content_sha256: str) -> Stored | None:
        """Index one object.

        Returns
        -------
        Stored or None
            None if it is new; otherwise the object that already carries this UID.
        """
        with self._opened() as db, _transaction(db):
            found = self._stored(db, str(header.SOPInstanceUID))
            if found is not None:
                return found
            for table, level in (("study", "STUDY"), ("series", "SERIES"), ("image", "IMAGE")):
                names = [*_PARENT_UIDS[level], *(k.keyword for k in _keys_of(level))]
                values = [_text(header, name) for name in names]
                if level == "IMAGE":
                    names, values = [*names, "path", "sha256"], [*values, path, content_sha256]
                marks = ", ".join("?" * len(names))
                db.execute(
                    f"insert or ignore into {table} ({', '.join(names)}) values ({marks})",  # noqa: S608
                    values,
                )
        return None

    def _stored(self, db: sqlite3.Connection, sop_uid: str) -> Stored | None:
        row = db.execute(
            "select path, sha256 from image where SOPInstanceUID = ?", (sop_uid,)
        ).fetchone()
        return None if row is None else Stored(sop_uid, self._path.parent / row[0], row[1])

    # ----------------------------------------------------------------- read

    def count(self) -> int:
        """Count the objects."""
        return int(str(self._rows("select count(*) from image", [])[0][0]))

    def find(self, query: Dataset) -> list[Dataset]:
        """Answer a C-FIND identifier: one dataset for each match, in the order of UIDs.

        Raises
        ------
        UnknownLevelError
            If QueryRetrieveLevel is absent or not STUDY, SERIES or IMAGE.
        """
        level = level_of(query)
        columns = _columns(level)
        wanted = [name for name in _asked(query) if name in columns]
        uid = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID"}.get(
            level, "SOPInstanceUID"
        )
        names = list(dict.fromkeys([uid, *wanted]))
        where, values = _conditions(query, columns)
        select = ", ".join(f"{columns[name]} as {name}" for name in names)
        statement = f"select {select} from {_FROM[level]} {where} order by {uid}"  # noqa: S608
        rows = self._rows(statement, values)
        return [_answer(level, names, row) for row in rows]

    def paths(self, query: Dataset) -> list[Stored]:
        """List the stored objects that a C-GET or C-MOVE identifier names."""
        level_of(query)
        unique = Dataset()
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            if query.get(name):
                setattr(unique, name, query.get(name))
        columns = _columns("IMAGE")
        where, values = _conditions(unique, columns)
        if not values:
            return []
        statement = (
            f"select SOPInstanceUID, path, sha256 from {_FROM['IMAGE']} {where}"  # noqa: S608
            " order by StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID"
        )
        rows = self._rows(statement, values)
        return [
            Stored(str(uid), self._path.parent / str(path), str(sha)) for uid, path, sha in rows
        ]

    def _rows(self, statement: str, values: Sequence[str]) -> list[tuple[object, ...]]:
        with self._opened() as db:
            return db.execute(statement, values).fetchall()


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("begin immediate")
    try:
        yield
    except BaseException:
        db.execute("rollback")
        raise
    db.execute("commit")


def level_of(query: Dataset) -> str:
    """Level of a query, checked."""
    level = str(query.get("QueryRetrieveLevel", "")).strip()
    if level not in LEVELS:
        raise UnknownLevelError(f"QueryRetrieveLevel {level!r}; offered: {', '.join(LEVELS)}")
    return level


def _keys_of(level: str) -> list[Key]:
    return [key for key in KEYS.values() if key.level == level]


def _create_statements() -> list[str]:
    statements = []
    for table, level in (("study", "STUDY"), ("series", "SERIES"), ("image", "IMAGE")):
        own = [key.keyword for key in _keys_of(level)]
        columns = [f"{own[0]} text primary key"]
        columns += [f"{name} text not null" for name in (*_PARENT_UIDS[level], *own[1:])]
        if level == "IMAGE":
            columns += ["path text not null", "sha256 text not null"]
        statements.append(f"create table if not exists {table} ({', '.join(columns)})")
    statements += [
        "create index if not exists study_date on study (StudyDate)",
        "create index if not exists series_study on series (StudyInstanceUID)",
        "create index if not exists image_series on image (SeriesInstanceUID)",
        "create index if not exists image_study on image (StudyInstanceUID)",
    ]
    return statements


def _columns(level: str) -> dict[str, str]:
    """Map each keyword that may be asked for at a level to its SQL expression."""
    depth = LEVELS.index(level)
    tables = {"STUDY": "study", "SERIES": "series", "IMAGE": "image"}
    columns = {
        key.keyword: f"{tables[key.level]}.{key.keyword}"
        for key in KEYS.values()
        if LEVELS.index(key.level) <= depth
    }
    columns |= _OF_STUDY
    return columns | (_OF_SERIES if depth else {})


def _asked(query: Dataset) -> list[str]:
    return [element.keyword for element in query if element.keyword]


def _conditions(query: Dataset, columns: Mapping[str, str]) -> tuple[str, list[str]]:
    parts: list[str] = []
    values: list[str] = []
    for element in query:
        name = element.keyword
        texts = _values(element.value)
        if name not in columns or not texts or name.startswith("NumberOf"):
            continue
        if name == "ModalitiesInStudy":
            sql, new = _modalities(texts)
        else:
            sql, new = _match(columns[name], KEYS[name].matching, texts)
        parts.append(sql)
        values += new
    return ("where " + " and ".join(parts) if parts else ""), values


def _modalities(texts: Sequence[str]) -> tuple[str, list[str]]:
    tests = " or ".join("m.Modality glob ?" for _ in texts)
    sql = (
        "exists (select 1 from series as m where m.StudyInstanceUID = study.StudyInstanceUID"  # noqa: S608
        f" and ({tests}))"
    )
    return sql, [_glob(text) for text in texts]


def _match(column: str, matching: str, texts: Sequence[str]) -> tuple[str, list[str]]:
    if matching == "uid":
        return f"{column} in ({', '.join('?' * len(texts))})", list(texts)
    text = texts[0]
    if matching == "range":
        return _range(column, text)
    if "*" in text or "?" in text:
        return f"{column} glob ?", [_glob(text)]
    return f"{column} = ?", [text]


def _range(column: str, text: str) -> tuple[str, list[str]]:
    low, dash, high = text.partition("-")
    if not dash:
        return f"{column} = ?", [text]
    parts, values = [f"{column} <> ''"], []
    if low:
        parts.append(f"{column} >= ?")
        values.append(low)
    if high:
        # "~" sorts after every digit, so that 1200 as an upper bound includes 120059.9.
        parts.append(f"{column} <= ?")
        values.append(high + "~")
    return "(" + " and ".join(parts) + ")", values


def _glob(text: str) -> str:
    return text.replace("[", "[[]")


def _values(value: object) -> list[str]:
    if value is None:
        return []
    many = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    texts = [str(part).strip() for part in many]
    if any(text in ("", "*") for text in texts):
        return []
    return texts


def _text(header: Dataset, keyword: str) -> str:
    value = header.get(keyword)
    if value is None:
        return ""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\\".join(str(part) for part in value)
    return str(value).strip()


def _answer(level: str, names: Sequence[str], row: Sequence[object]) -> Dataset:
    answer = Dataset()
    answer.SpecificCharacterSet = "ISO_IR 192"
    answer.QueryRetrieveLevel = level
    for name, value in zip(names, row, strict=True):
        text = "" if value is None else str(value)
        parts: str | list[str] = text.split("\\") if "\\" in text else text
        if name == "ModalitiesInStudy":
            parts = sorted(text.split(","))
        # Values are answered as they were stored, valid or not: an archive does not judge.
        answer.add(_element(name, parts))
    return answer


def _element(keyword: str, value: str | list[str]) -> DataElement:
    tag = Tag(keyword)
    return DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE)
