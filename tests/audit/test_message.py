"""Messages: the vocabulary of DICOM PS3.15 A.5, and the frame of RFC 5424 and 5425."""

import base64
import re
import socket
import ssl
import threading
from dataclasses import replace
from datetime import datetime
from xml.etree import ElementTree

import pytest
from certificates import Issuer

from mpss_lib.audit import syslog
from mpss_lib.audit.chain import Chain
from mpss_lib.audit.message import Event, as_xml, message_of
from mpss_lib.audit.vocabulary import KINDS, SERIOUS, SUCCESS
from mpss_lib.sections import AuditSettings

# PS3.15 A.5.1: element -> required attributes, optional ones, elements in it in their order.
CODED = ({"csd-code", "codeSystemName", "originalText"}, {"displayName"}, ())
SCHEMA = {
    "AuditMessage": (
        set(), set(),
        ("EventIdentification", "ActiveParticipant", "AuditSourceIdentification",
         "ParticipantObjectIdentification"),
    ),
    "EventIdentification": (
        {"EventActionCode", "EventDateTime", "EventOutcomeIndicator"}, set(),
        ("EventID", "EventTypeCode", "EventOutcomeDescription"),
    ),
    "ActiveParticipant": (
        {"UserID", "UserIsRequestor"},
        {"AlternativeUserID", "UserName", "NetworkAccessPointID", "NetworkAccessPointTypeCode"},
        ("RoleIDCode",),
    ),
    "AuditSourceIdentification": (
        {"AuditSourceID"}, {"AuditEnterpriseSiteID"}, ("AuditSourceTypeCode",),
    ),
    "ParticipantObjectIdentification": (
        {"ParticipantObjectID", "ParticipantObjectTypeCode"},
        {"ParticipantObjectTypeCodeRole", "ParticipantObjectDataLifeCycle"},
        ("ParticipantObjectIDTypeCode", "ParticipantObjectName", "ParticipantObjectDetail"),
    ),
    "ParticipantObjectDetail": ({"type", "value"}, set(), ()),
    "ParticipantObjectName": (set(), set(), ()),
    "EventOutcomeDescription": (set(), set(), ()),
    "AuditSourceTypeCode": ({"csd-code"}, set(), ()),
    **dict.fromkeys(("EventID", "EventTypeCode", "RoleIDCode"), CODED),
    "ParticipantObjectIDTypeCode": CODED,
}  # fmt: skip
EVENT_IDS = {*map(str, range(110100, 110115))}  # CID 400


def check_element(element):
    required, optional, inner = SCHEMA[element.tag]
    assert required <= set(element.attrib) <= required | optional, element.tag
    order = [inner.index(child.tag) for child in element]
    assert order == sorted(order)
    for child in element:
        check_element(child)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_message_of_the_standard(kind):
    event = Event(
        kind, SERIOUS, ["S0123456789abcdef"], ["a file"], {"n": "3"}, "PACS@pacs.example:104",
        "Dr <Grey> & co", "ArchiveDownError",
    )  # fmt: skip
    message = message_of(event, "hospital")
    root = ElementTree.fromstring(as_xml(message))  # noqa: S314 -- ours
    check_element(root)
    identification = root.find("EventIdentification")
    assert identification.find("EventID").get("csd-code") in EVENT_IDS
    assert identification.get("EventActionCode") in "CRUDE"
    assert datetime.fromisoformat(identification.get("EventDateTime")).tzinfo is not None
    asked = [p for p in root.iter("ActiveParticipant") if p.get("UserIsRequestor") == "true"]
    assert [p.get("UserID") for p in asked] == ["Dr <Grey> & co"]
    (detail,) = root.iter("ParticipantObjectDetail")
    assert base64.b64decode(detail.get("value")) == b"3"


# ------------------------------------------------------------------ syslog


class Receiver:
    """Takes syslog over TLS, as RFC 5425 frames it."""

    def __init__(self, issuer, signed, port=0):
        self.messages, self.socket = [], socket.create_server(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(signed.certificate, signed.key)
        self._context.load_verify_locations(issuer.path)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while True:
            plain, _ = self.socket.accept()
            with plain:
                if self._is_over:
                    return
                try:
                    with self._context.wrap_socket(plain, server_side=True) as line:
                        content = b"".join(iter(lambda line=line: line.recv(65536), b""))
                except ssl.SSLError as error:
                    self.refused, content = error, b""
            while content:
                length, _, content = content.partition(b" ")
                self.messages.append(content[: int(length)])
                content = content[int(length) :]

    _is_over, refused = False, None

    def close(self):
        self._is_over = True
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self.socket.close()


@pytest.fixture
def issuer(tmp_path):
    return Issuer(tmp_path, "authority")


@pytest.fixture
def settings(tmp_path, issuer):
    ours = issuer.sign("ours")
    return AuditSettings(
        syslog_host="127.0.0.1", syslog_issuers=issuer.path, syslog_port=1,
        syslog_certificate=ours.certificate, syslog_key=ours.key,
    )  # fmt: skip


def numbers(receiver):
    return [int(re.search(rb'sequenceId="(\d+)"', one)[1]) for one in receiver.messages]


def test_lines_wait_while_the_receiver_is_away_and_come_in_order_when_it_is_back(
    tmp_path, issuer, settings, caplog
):
    chain = Chain(tmp_path / "audit", tmp_path / "vault.sqlite", 600)  # several files
    for _ in range(3):
        chain.append(Event("find", SUCCESS))
    assert syslog.send(chain, settings) == 3
    assert "3 lines wait in audit/" in caplog.text
    assert syslog.send(chain, settings, most=10) == 0  # a door does not call it at once again
    assert syslog.sent_of(chain.folder).problem
    receiver = Receiver(issuer, issuer.sign("receiver"))
    to = settings.model_copy(update={"syslog_port": receiver.port})
    try:
        assert syslog.send(chain, to) == 0
        chain.append(Event("purge", SERIOUS, ["S0123456789abcdef"]))
        assert syslog.send(chain, to) == 0
        assert syslog.send(chain, to) == 0
    finally:
        receiver.close()
    assert numbers(receiver) == [1, 2, 3, 4]
    first, *_, last = receiver.messages
    assert re.match(
        rb'<85>1 \S+T\S+ \S+ mpss - DICOM\+RFC3881 \[meta sequenceId="1"\] \xef\xbb\xbf<AuditM',
        first,
    )
    assert last.startswith(b"<84>1 ")
    for one in receiver.messages:
        text = one.partition(b"\xef\xbb\xbf")[2].decode()
        check_element(ElementTree.fromstring(text))  # noqa: S314 -- ours


def test_a_receiver_of_another_issuer_is_given_nothing(tmp_path, issuer, settings, caplog):
    other = Issuer(tmp_path, "another")
    receiver = Receiver(issuer, issuer.sign("receiver"))
    to = settings.model_copy(update={"syslog_port": receiver.port, "syslog_issuers": other.path})
    chain = Chain(tmp_path / "audit", tmp_path / "vault.sqlite", 10**6)
    chain.append(Event("find", SUCCESS))
    try:
        assert syslog.send(chain, to) == 1
    finally:
        receiver.close()
    assert receiver.messages == []
    assert receiver.refused is not None
    assert "certificate" in caplog.text


def test_a_line_is_framed_whatever_its_letters():
    event = replace(Event("review", SUCCESS), requester="Dr Müller")
    from mpss_lib.audit.chain import FIRST, read_line, written

    raw, _ = written(FIRST, message_of(event, ""))
    framed = syslog.framed(read_line(raw[:-1]))
    length, _, content = framed.partition(b" ")
    assert int(length) == len(content)
    assert "Müller".encode() in content
