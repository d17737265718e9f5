"""TLS both ways: who is refused, and that the reason stands in one line."""

from __future__ import annotations

import gc
import logging
import socket
import ssl
from contextlib import contextmanager
from dataclasses import replace
from datetime import date

import orthanc
import pytest
import real_archives
from certificates import Issuer
from pacs_objects import make_nm
from peer import free_port
from pynetdicom import AE
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind as Find,
)
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelMove as Move,
)
from pynetdicom.sop_class import Verification

from mpss_lib.archive_sections import ReceiverSettings
from mpss_lib.batch import run_stage
from mpss_lib.dicom import to_bytes
from mpss_lib.errors import ArchiveBusyError, ArchiveRefusedError, SettingsError
from mpss_lib.pull import stage
from mpss_lib.pull.archive.session import echo
from mpss_lib.pull.archive.tls import days_left, why_refused
from mpss_lib.pull.receiver.arrivals import arrivals_of
from mpss_lib.pull.receiver.service import Receiver
from mpss_lib.tables import Lake

pytestmark = [
    pytest.mark.pacs,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # TLS 1.1 is asked for on purpose
]

WINDOW = (date(2026, 3, 2), date(2026, 3, 2))


@pytest.fixture(autouse=True)
def swept():
    """Peers that refuse in this process leave sockets to the garbage collector."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    issuer, other = Issuer(folder, "Hospital"), Issuer(folder, "Somebody")
    return {
        "issuer": issuer.path,
        "other_issuer": other.path,
        "us": issuer.sign("us"),
        "archive": issuer.sign("archive"),
        "expired": issuer.sign("expired", days=-1),
        "other": other.sign("other"),
        "named": issuer.sign("named", host="pacs.hospital.example"),
    }


def tls(pki, certificate="us", **more):
    signed = pki[certificate]
    files = {"tls_certificate": signed.certificate, "tls_key": signed.key}
    return {"tls": True, "tls_issuers": pki["issuer"], "retrieve": "c-move"} | files | more


@contextmanager
def answering(pki, certificate="archive", *, is_plain=False, newest=None, issuer="issuer"):
    """A peer that answers C-ECHO, over TLS or in the plain."""
    context = None
    if not is_plain:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki[certificate].certificate, pki[certificate].key)
        context.load_verify_locations(pki[issuer])
        context.verify_mode = ssl.CERT_REQUIRED
        if newest is not None:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
    entity = AE("HOSPITAL")
    entity.acse_timeout = entity.network_timeout = 3
    for service in (Verification, Find, Move):
        entity.add_supported_context(service)
    server = entity.start_server(("127.0.0.1", 0), block=False, ssl_context=context)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def test_a_peer_of_a_known_issuer_is_called(pki, sites_of):
    with answering(pki) as port:
        echo(sites_of(port, **tls(pki)))
    with answering(pki, "named") as port:
        echo(sites_of(port, **tls(pki, tls_name="pacs.hospital.example")))


@pytest.mark.parametrize(
    ("peer", "ours", "says"),
    [
        ({"certificate": "expired"}, {}, "not accepted: certificate has expired"),
        ({"certificate": "other"}, {}, "not accepted: unable to get local issuer certificate"),
        ({"certificate": "named"}, {}, "not accepted: IP address mismatch"),
        ({"is_plain": True}, {}, "does not speak TLS"),
        ({"newest": ssl.TLSVersion.TLSv1_1}, {}, "no TLS 1.2 or newer"),
        ({}, {"certificate": "other"}, "does not know the issuer of our certificate"),
        ({}, {"certificate": "expired"}, "our certificate has expired"),
    ],
)
def test_a_refused_handshake_says_why(pki, sites_of, peer, ours, says):
    with answering(pki, **peer) as port, pytest.raises(ArchiveRefusedError, match=says) as found:
        echo(sites_of(port, **tls(pki, **ours)))
    assert "\n" not in str(found.value)
    assert f"127.0.0.1:{port}" in found.value.problem


def test_a_plain_call_to_a_tls_peer_is_not_answered(pki, sites_of):
    with answering(pki) as port, pytest.raises(ArchiveBusyError, match="broke off"):
        echo(sites_of(port))


@pytest.mark.parametrize(
    ("certificate", "issuer", "newest", "says"),
    [
        (None, "issuer", None, "no certificate was shown"),
        ("other", "issuer", None, "not accepted: unable to get local issuer certificate"),
        ("expired", "issuer", None, "not accepted: certificate has expired"),
        ("archive", "issuer", ssl.TLSVersion.TLSv1_1, "no TLS 1.2 or newer"),
    ],
)
def test_the_receiver_refuses_and_says_why(
    pki, sites_of, caplog, certificate, issuer, newest, says
):
    with receiving(pki, sites_of) as receiver, caplog.at_level(logging.WARNING):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(pki[issuer])
        if certificate:
            context.load_cert_chain(pki[certificate].certificate, pki[certificate].key)
        if newest is not None:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
        call(receiver.port, context)
        settle(receiver)
    assert says in caplog.text


def test_a_plain_caller_is_refused_by_the_receiver_and_a_silent_one_stops_nobody(
    pki, sites_of, caplog
):
    with receiving(pki, sites_of) as receiver, caplog.at_level(logging.WARNING):
        with socket.create_connection(("127.0.0.1", receiver.port)) as silent:
            with socket.create_connection(("127.0.0.1", receiver.port)) as plain:
                plain.sendall(b"\x01\x00\x00\x00\x00\xff" + bytes(255))
                settle(receiver)
            assert silent.fileno() > 0
        assert "does not speak TLS" in caplog.text
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(pki["issuer"])
        context.load_cert_chain(pki["archive"].certificate, pki["archive"].key)
        assert call(receiver.port, context)


@contextmanager
def receiving(pki, sites_of):
    sites = sites_of(1, **tls(pki))
    with Receiver(sites.archive, ReceiverSettings(min_free_gb=0), arrivals_of(sites)) as receiver:
        yield receiver


def call(port, context):
    """Whether a handshake with the receiver succeeds, seen from the caller."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                secure.settimeout(0.3)
                return secure.recv(1) != b""
        except TimeoutError:
            return True  # it waits for us to speak
        except OSError:
            return False


def settle(receiver):
    """Wait until the receiver's thread has counted."""
    import time

    for _ in range(200):
        if receiver.counts["tls_refused"]:
            return
        time.sleep(0.02)
    raise AssertionError(receiver.counts)


def test_settings_that_cannot_be_used_are_named(pki, sites_of, tmp_path):
    open_key = tmp_path / "open.key"
    open_key.write_text("x")
    for wrong, says in (
        ({"tls_key": ""}, r"archive\.tls_key = '' is no file"),
        ({"tls_issuers": "/no/such.pem"}, r"archive\.tls_issuers = '/no/such\.pem'"),
        ({"tls_key": str(open_key)}, "can be read by others"),
        ({"tls_key": pki["other"].key}, "cannot be used"),
    ):
        with pytest.raises(SettingsError, match=says):
            echo(sites_of(1, **tls(pki, **wrong)))


def test_the_end_of_our_certificate_is_told_a_month_before(
    pki, sites_of, lake, config, caplog, tmp_path
):
    soon = Issuer(tmp_path, "Hospital2").sign("soon", days=12.5)
    sites = sites_of(free_port(), **tls(pki), connection_timeout_s=1)
    assert days_left(sites.archive) == 89
    short = {"tls_certificate": soon.certificate, "tls_key": soon.key}
    sites = sites_of(free_port(), **(tls(pki) | short))
    with pytest.raises(Exception, match="nobody answers"):
        stage.find(WINDOW, lake, config, sites)
    assert "is good for 12 days" in caplog.text


@pytest.mark.parametrize(
    ("error", "says"),
    [(ConnectionResetError(), "broke off"), (ValueError(), "ValueError"), (None, "NoneType")],
)
def test_every_end_has_a_reason(error, says):
    assert says in why_refused(error)


def test_orthanc_over_tls_by_both_ways(installed, pki, sites_of, config, tmp_path):
    port, folder = free_port(), tmp_path / "sent"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"{number}.dcm").write_bytes(to_bytes(make_nm(number)))
    ours = {"AET": "MPSS", "Host": "127.0.0.1", "Port": port, "UseDicomTls": True}
    secure = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": pki["archive"].certificate,
        "DicomTlsPrivateKey": pki["archive"].key,
        "DicomTlsTrustedCertificates": pki["issuer"],
        "DicomTlsRemoteCertificateRequired": True,
        "DicomModalities": {
            "mpss": ours | dict.fromkeys(("AllowFind", "AllowGet", "AllowMove", "AllowEcho"), True)
        },
    }
    store = ("+tls", pki["us"].key, pki["us"].certificate, "+cf", pki["issuer"], "-R")
    lakes = {}
    with orthanc.running(installed("Orthanc"), tmp_path / "orthanc", **secure) as server:
        real_archives.store(installed, server.aet, server.port, folder, *store)
        for way in ("c-get", "c-move"):
            sites = sites_of(server.port, called_aet=server.aet, **tls(pki, retrieve=way))
            sites = replace(sites, receiver=ReceiverSettings(port=port, min_free_gb=0))
            lakes[way] = Lake(tmp_path / way)
            with Receiver(sites.archive, sites.receiver, arrivals_of(sites)):
                keys = stage.find(WINDOW, lakes[way], config, sites)
                assert run_stage("pull", keys, lakes[way], config, sites).done == 2
        with pytest.raises(ArchiveRefusedError, match=r"issuer of our certificate|not accept"):
            echo(sites_of(server.port, called_aet=server.aet, **tls(pki, "other")))
    found = [
        {path.name: path.read_bytes() for path in lake.root.glob("dicom/**/*.dcm")}
        for lake in lakes.values()
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 2
