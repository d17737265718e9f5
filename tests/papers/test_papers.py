"""The papers for a PACS team say what the code does, and what goes over the wire."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pacs_objects import make_nm
from peer import Peer, Script, free_port
from pydicom.uid import CTImageStorage
from pynetdicom import AE, evt
from pynetdicom.sop_class import MRImageStorage
from typer.testing import CliRunner

from mpss_lib import cli
from mpss_lib.archive_sections import ArchiveSettings, ReceiverSettings
from mpss_lib.audit.vocabulary import KINDS
from mpss_lib.batch import run_stage
from mpss_lib.config import Config, Sites
from mpss_lib.demo.archive import Archive
from mpss_lib.errors import MpssError
from mpss_lib.papers import dicom, network
from mpss_lib.papers.catalogue import TABLES
from mpss_lib.papers.tables import filled, outdated, places
from mpss_lib.pull import stage
from mpss_lib.pull.archive import association
from mpss_lib.pull.archive.session import ArchiveSession
from mpss_lib.pull.receiver.arrivals import Arrivals
from mpss_lib.pull.receiver.service import Receiver
from mpss_lib.tables import Lake

DOCS = Path(__file__).resolve().parents[2] / "docs" / "papers"

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def rows(paper, table):
    """Cells of a table as the paper holds it."""
    text = (DOCS / paper).read_text()
    _, _, rest = text.partition(f"<!-- table: {table} -->\n")
    lines = rest.partition("<!-- end -->")[0].strip().splitlines()[2:]
    return [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_every_table_of_the_papers_is_that_of_the_code():
    assert outdated(DOCS, TABLES) == []
    held = [name for path in DOCS.glob("*.md") for name in places(path.read_text())]
    assert sorted(held) == sorted(TABLES)


def test_a_context_without_the_paper_fails(monkeypatch):
    more = (*association.FETCHED_CLASSES, CTImageStorage)
    monkeypatch.setattr(association, "FETCHED_CLASSES", more)
    assert outdated(DOCS, TABLES) == ["dicom-conformance.md"]


@pytest.mark.parametrize(
    ("place", "name", "value", "paper"),
    [
        (association, "MAXIMUM_PDU", 4096, "dicom-conformance.md"),
        (dicom, "NOT_ASKED", 0x0110, "dicom-conformance.md"),
        (dicom, "STUDY_KEYS", (*dicom.STUDY_KEYS, "PatientSex"), "dicom-conformance.md"),
        (network, "LISTENING", network.LISTENING[1:], "network.md"),
    ],
)
def test_another_number_key_or_port_without_the_paper_fails(monkeypatch, place, name, value, paper):
    if place is association:
        monkeypatch.setattr(dicom, name, value)
    else:
        monkeypatch.setattr(place, name, value)
    if name == "STUDY_KEYS":
        levels = (("STUDY", value), *dicom.LEVELS[1:])
        monkeypatch.setattr(dicom, "LEVELS", levels)
    assert outdated(DOCS, TABLES) == [paper]


def test_what_is_outdated_is_written_anew(tmp_path):
    (tmp_path / "one.md").write_text("a\n<!-- table: logged -->\nold\n<!-- end -->\nz\n")
    assert outdated(tmp_path, TABLES, rewrites=True) == ["one.md"]
    assert outdated(tmp_path, TABLES) == []
    text = (tmp_path / "one.md").read_text()
    assert text.startswith("a\n<!-- table: logged -->\n\n| EventTypeCode |")
    assert "old" not in text
    with pytest.raises(MpssError, match="no table is called 'unknown'"):
        filled("<!-- table: unknown -->\n<!-- end -->\n", TABLES)


# ------------------------------------------------------------------ over the wire


@pytest.mark.parametrize("way", dicom.WAYS)
def test_the_contexts_on_the_wire_are_those_of_the_paper(way):
    """What a peer is asked for, and the roles, compared with the table as it is printed."""
    asked = []

    def look(event):
        caller = event.assoc.requestor
        asked.append((caller, caller.primitive.maximum_length_received))

    entity = AE("ARCHIVE")
    entity.add_supported_context("1.2.840.10008.1.1")
    server = entity.start_server(
        ("127.0.0.1", 0), block=False,
        evt_handlers=[(evt.EVT_REQUESTED, look)],
    )  # fmt: skip
    try:
        settings = ArchiveSettings(port=server.server_address[1], retrieve=way)
        with pytest.raises(MpssError), ArchiveSession(settings) as session:
            session.association()
    finally:
        server.shutdown()
    ((caller, longest),) = asked
    found = {
        (str(one.abstract_syntax), tuple(uid.name for uid in one.transfer_syntax))
        for one in caller.primitive.presentation_context_definition_list
    }
    told = [
        row
        for row in rows("dicom-conformance.md", "requested-contexts")
        if way in row[4].split(", ")
    ]
    contexts = {(row[1], tuple(c.split("; "))) for row in told for c in row[2].split(" / ")}
    assert found == contexts
    roles = {str(uid) for uid, role in caller.role_selection.items() if role.scp_role}
    assert roles == {row[1] for row in told if "SCP" in row[3]}
    limits = dict(row[:2] for row in rows("dicom-conformance.md", "limits"))
    assert limits["maximum PDU that we take"] == f"{longest} bytes"
    assert limits["Implementation Class UID"] == str(caller.implementation_class_uid)
    assert limits["Implementation Version Name"] == caller.implementation_version_name


def test_the_receiver_accepts_what_the_paper_says_and_nothing_else(tmp_path):
    settings = ReceiverSettings(min_free_gb=0)
    told = {
        row[1]: set(row[2].split("; ")) for row in rows("dicom-conformance.md", "accepted-contexts")
    }
    with Receiver(ArchiveSettings(), settings, Arrivals(tmp_path / "received")) as receiver:
        syntaxes = [row[1] for row in rows("dicom-conformance.md", "transfer-syntaxes")]
        found = accepted_of([*told, CTImageStorage, MRImageStorage], syntaxes, receiver)
    assert {uid: names & found.get(uid, set()) for uid, names in told.items()} == told
    assert set(found) == set(told)


def accepted_of(classes, syntaxes, receiver):
    """Contexts that the receiver accepts; an association proposes 128 at most."""
    wanted, found = [(uid, syntax) for uid in classes for syntax in syntaxes], {}
    for start in range(0, len(wanted), 100):
        caller = AE("ARCHIVE")
        for uid, syntax in wanted[start : start + 100]:
            caller.add_requested_context(uid, syntax)
        assoc = caller.associate("127.0.0.1", receiver.port, ae_title=receiver.aet)
        for one in assoc.accepted_contexts:
            found.setdefault(str(one.abstract_syntax), set()).add(one.transfer_syntax[0].name)
        if assoc.is_established:
            assoc.release()
    return found


@pytest.mark.pacs
def test_the_keys_on_the_wire_are_those_of_the_paper(tmp_path):
    seen = {}

    def look(query):
        level = str(query.QueryRetrieveLevel)
        for element in query:
            if element.keyword not in ("QueryRetrieveLevel", "SpecificCharacterSet"):
                tag = f"({element.tag.group:04X},{element.tag.element:04X})"
                seen.setdefault((level, tag), set()).add(element.value not in (None, ""))

    archive = Archive(tmp_path / "pacs")
    archive.add(make_nm(1), make_nm(2))
    config = Config()
    with Peer(archive, Script(edit_query=look)) as peer:
        to = ArchiveSettings(port=peer.port, called_aet="HOSPITAL")
        sites = Sites(tmp_path / "vault.sqlite", tmp_path / "staging", to)
        lake = Lake(tmp_path / "lake")
        day = date(2026, 3, 2)
        keys = stage.find((day, day), lake, config, sites)
        stage.find_named(make_nm(1).AccessionNumber or "A1", lake, config, sites)
        assert run_stage("pull", keys, lake, config, sites).done == 2
    told = {(row[0], row[2]): row for row in rows("dicom-conformance.md", "find-keys")}
    assert set(seen) == set(told)
    for place, values in seen.items():
        if True in values:  # a value was sent: the paper says that it is matched
            assert told[place][3] != "universal", place


# ------------------------------------------------------------------ sheet and logs


def test_the_sheet_of_a_home_has_its_own_values_and_no_password(tmp_path, monkeypatch):
    (tmp_path / "mpss.toml").write_text(
        '[archive]\nhost = "pacs.hospital.example"\nport = 104\ncalled_aet = "BIGPACS"\n'
        '[receiver]\nport = 11113\nhost = "192.0.2.10"\n'
        '[site]\nregistry_url = "postgresql://u:Qz7pass@db.hospital.example:5433/r"\n'
        '[audit]\nsyslog_host = "log.hospital.example"\n'
    )
    (tmp_path / "mpss.toml").chmod(0o600)
    monkeypatch.setenv("MPSS_HOME", str(tmp_path))
    told = CliRunner().invoke(cli.app, ["pacs", "sheet"]).stdout
    for text in (
        "BIGPACS", "pacs.hospital.example:104", "MPSS", "192.0.2.10:11113",
        "db.hospital.example:5433", "log.hospital.example:6514",
    ):  # fmt: skip
        assert text in told
    assert "Qz7pass" not in told


def test_every_kind_of_event_is_in_the_paper():
    assert [row[0] for row in rows("logging.md", "logged")] == list(KINDS)


def test_ports_of_settings():
    plain = Config()
    assert network.listeners(plain, {"port": 8080}) == {("127.0.0.1", 8080): "api-server"}
    port = free_port()
    settings = ReceiverSettings(port=port, host="192.0.2.1")
    more = plain.model_copy(update={"receiver": settings})
    assert network.listeners(more, {"port": 8080})["192.0.2.1", port] == "receiver"
    servers = {"postgres_port": 5, "redis_port": 6}
    told = network.listeners(plain, {"port": 1, "cluster": servers})
    assert (told["127.0.0.1", 5], told["127.0.0.1", 6]) == ("postgres", "redis")
    names = {one.who for one in network.LISTENING}
    assert {*network.listeners(more, {"port": 1}).values()} <= names


def test_only_what_the_sites_know_is_called():
    assert network.called(Config()) == {"archive": "127.0.0.1:11112"}
    _ = replace
