"""An archive over DICOMweb: lists by QIDO-RS, objects by WADO-RS (PS3.18 sections 10.6 and 10.4).

What it answers is brought to the same forms as over DIMSE: an identifier goes out as a query, a
list comes back as datasets, and an object becomes the file that C-STORE would have left: our own
file meta before the bytes of its data set. Time-outs count from the last byte.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import httpx
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.multival import MultiValue
from pydicom.uid import UID
from pynetdicom.dsutils import create_file_meta, encode_file_meta

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.errors import (
    ArchiveBusyError,
    ArchiveDownError,
    ArchiveRefusedError,
    PlatformFaultError,
)
from mpss_lib.pull.archive.association import OUT_OF_RESOURCES, QueryFailedError
from mpss_lib.pull.archive.gate import Gate
from mpss_lib.secrecy import without_passwords

JSON = "application/dicom+json"
OBJECTS = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""Objects as they are stored, whatever their transfer syntax (PS3.18 8.7.3.5)."""
_LEVELS = {"STUDY": ("studies",), "SERIES": ("studies", "series")}
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_CALLS = {401: "asks who we are", 403: "does not allow it"}
_BUSY = frozenset({408, 429, 502, 503, 504})
_TOO_MANY = 413
_CUT = re.compile(r"^299\b", re.M)
"""Warning of a list that has not all results (PS3.18 8.3.4.4)."""
_PREAMBLE = b"\0" * 128 + b"DICM"


class WebArchive:
    """Asks an archive over HTTP.

    Parameters
    ----------
    settings : ArchiveSettings
        ``web_url`` and the time-outs.
    gate : Gate, optional
        What every request passes, and every part of an answer.
    """

    def __init__(self, settings: ArchiveSettings, gate: Gate | None = None) -> None:
        self._gate = gate or Gate(None, settings)
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)  # addresses carry UIDs
        self._where = without_passwords(settings.web_url)
        self._base = settings.web_url.rstrip("/")
        self._wait_s, self._connect_s = settings.dimse_timeout_s, settings.connection_timeout_s
        self._opened: httpx.Client | None = None

    @property
    def _client(self) -> httpx.Client:
        """Connections, from the first request on: reading the trusted certificates takes 50 ms."""
        if self._opened is None:
            timeout = httpx.Timeout(self._wait_s, connect=self._connect_s)
            trusted = ssl.create_default_context()  # the system's store, or SSL_CERT_FILE
            self._opened = httpx.Client(timeout=timeout, trust_env=False, verify=trusted)
        return self._opened

    def close(self) -> None:
        """End the connections."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        self._gate.stand()

    def echo(self) -> None:
        """Verify that the archive answers: one study at most is listed.

        Raises
        ------
        ArchiveDownError, ArchiveRefusedError, ArchiveBusyError
        """
        with self._answer("/studies", {"limit": "1"}, JSON) as answer:
            answer.read()

    def find(self, query: Dataset) -> Iterator[Dataset | None]:
        """Yield the answers to an identifier, None for one that cannot be decoded.

        Raises
        ------
        QueryFailedError
            The list was cut (0xA700), or the archive cannot process the query.
        ArchiveDownError, ArchiveRefusedError, ArchiveBusyError
        """
        path, parameters = _question(query)
        with self._answer(path, parameters, JSON) as answer:
            if answer.status_code in (204, 404):  # nothing matches; no such study
                return
            answer.read()
            is_cut = bool(_CUT.search("\n".join(answer.headers.get_list("warning"))))
        for item in self._items(answer):
            yield _dataset(item)
        if is_cut:
            raise self._failed("the list was cut short", OUT_OF_RESOURCES)

    def fetch(self, query: Dataset) -> Iterator[tuple[str, bytes]]:
        """Yield the objects of an identifier: SOP Instance UID, and the file.

        Raises
        ------
        ArchiveDownError, ArchiveRefusedError, ArchiveBusyError, QueryFailedError
        """
        for path in _places(query):
            with self._answer(path, {}, OBJECTS) as answer:
                if answer.status_code in (204, 404):
                    continue
                for part in _parts(answer, self._gate.check):
                    yield as_received(part)

    # ------------------------------------------------------------------ HTTP

    @contextmanager
    def _answer(
        self, path: str, parameters: dict[str, str], accept: str
    ) -> Iterator[httpx.Response]:
        self._gate.sit()
        try:
            with self._client.stream(
                "GET", f"{self._base}{path}", params=parameters, headers={"Accept": accept}
            ) as answer:
                self._check(answer)
                yield answer
        except httpx.ConnectError as error:
            raise self._not_connected(error) from error
        except httpx.HTTPError as error:
            raise ArchiveBusyError(
                f"DICOMweb: the archive at {self._where} broke off or sent no byte for"
                f" {self._wait_s:g} s ({type(error).__name__})",
                way_out="try again; if it lasts, raise archive.dimse_timeout_s",
            ) from error

    def _check(self, answer: httpx.Response) -> None:
        code = answer.status_code
        if code < 300 or code == 404:
            return
        if code in _CALLS:
            raise ArchiveRefusedError(
                f"DICOMweb: the archive at {self._where} {_CALLS[code]} ({code})",
                way_out="correct user and password in archive.web_url, or have us allowed",
            )
        if code in _BUSY:
            raise ArchiveBusyError(
                f"DICOMweb: the archive at {self._where} is busy ({code})",
                way_out="try again later",
            )
        if code == _TOO_MANY:
            raise self._failed("too many results (413)", OUT_OF_RESOURCES)
        status = 0xA900 if code == 400 else 0xC000
        raise self._failed(f"status {code}", status)

    def _failed(self, what: str, status: int) -> QueryFailedError:
        return QueryFailedError(
            f"DICOMweb: the archive at {self._where}: {what}",
            way_out="try again; if it lasts, ask the PACS team for its log",
            status=status,
        )

    def _not_connected(self, error: Exception) -> PlatformFaultError:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            return ArchiveDownError(
                f"nobody answers at {self._where}",
                way_out="check archive.web_url, the network and whether the archive runs",
            )
        why = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or "TLS"
        return ArchiveRefusedError(
            f"DICOMweb: no TLS connection to {self._where} ({why})",
            way_out="check the archive's certificate, and archive.web_url",
        )

    def _items(self, answer: httpx.Response) -> list[Any]:
        try:
            items = answer.json() if answer.content else []
        except ValueError as error:
            raise self._failed("its answer is no JSON", 0xC000) from error
        if not isinstance(items, list):
            raise self._failed("its answer is no list", 0xC000)
        return items


def _question(query: Dataset) -> tuple[str, dict[str, str]]:
    """Turn an identifier into the path and the parameters of a QIDO-RS request."""
    path, given = _path_to(query)
    parameters = {
        element.keyword: _text(element.value)
        for element in query
        if element.keyword not in {*given, "QueryRetrieveLevel", "SpecificCharacterSet"}
        and element.value not in (None, "")
    }
    fields = [one.keyword for one in query if one.value in (None, "")]
    return path, parameters | ({"includefield": ",".join(fields)} if fields else {})


def _path_to(query: Dataset) -> tuple[str, tuple[str, ...]]:
    """Path of what an identifier lists, and the keywords whose values stand in it."""
    level = str(query.QueryRetrieveLevel)
    if level == "STUDY":
        return "/studies", ()
    study = f"/studies/{_text(query.StudyInstanceUID)}"
    if level == "SERIES":
        return f"{study}/series", _UIDS[:1]
    return f"{study}/series/{_text(query.SeriesInstanceUID)}/instances", _UIDS[:2]


def _places(query: Dataset) -> Iterator[str]:
    """Paths of the series or objects that a retrieval's identifier names."""
    study = f"/studies/{_text(query.StudyInstanceUID)}/series"
    if query.QueryRetrieveLevel == "SERIES":
        yield from (f"{study}/{uid}" for uid in _each(query.SeriesInstanceUID))
        return
    series = _text(query.SeriesInstanceUID)
    yield from (f"{study}/{series}/instances/{uid}" for uid in _each(query.SOPInstanceUID))


def _each(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, MultiValue) else [str(value)]


def _text(value: object) -> str:
    return ",".join(_each(value))


def _dataset(item: object) -> Dataset | None:
    try:
        return Dataset.from_json(item)  # type: ignore[arg-type]
    except Exception:  # whatever stands in an answer: it cannot be read
        return None


def _parts(answer: httpx.Response, check: Callable[[], None]) -> Iterator[bytes]:
    """Yield the bodies of a multipart answer (RFC 2046 5.1) that came whole."""
    found = re.search(r'boundary="?([^";]+)"?', answer.headers.get("content-type", ""))
    if found is None:
        yield answer.read()
        return
    mark = b"\r\n--" + found[1].encode("ascii", "replace")
    kept = bytearray(b"\r\n")
    for content in answer.iter_bytes():
        check()
        start = max(0, len(kept) - len(mark))
        kept += content
        while (end := kept.find(mark, start)) >= 0:
            if body := _body(bytes(kept[:end])):
                yield body
            del kept[: end + len(mark)]
            start = 0


def _body(part: bytes) -> bytes:
    """Body of a part that begins behind its boundary; empty for what stands before the first."""
    _, blank, body = part.partition(b"\r\n\r\n")
    return body if blank else b""


def as_received(content: bytes) -> tuple[str, bytes]:
    """Give an object's UID and the file that C-STORE would have left of it.

    Raises
    ------
    QueryFailedError
        It is no DICOM file.
    """
    try:
        stream = BytesIO(content)
        meta = read_partial(stream, lambda *_: True).file_meta
        start = len(_PREAMBLE) + 12 + int(meta.FileMetaInformationGroupLength)
        own = create_file_meta(
            sop_class_uid=UID(meta.MediaStorageSOPClassUID),
            sop_instance_uid=UID(meta.MediaStorageSOPInstanceUID),
            transfer_syntax=UID(meta.TransferSyntaxUID),
        )
        return str(meta.MediaStorageSOPInstanceUID), b"".join(
            (_PREAMBLE, encode_file_meta(own), content[start:])
        )
    except Exception as error:  # bytes of a stranger: anything may stand there
        raise QueryFailedError(
            f"an object is no DICOM file ({type(error).__name__})",
            way_out="look at this study in the archive; then `mpss quarantine retry`",
            status=0xC000,
        ) from error
