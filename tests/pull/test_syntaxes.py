"""Each object in the syntax in which the archive stores it, a presentation context for each."""

from __future__ import annotations

import subprocess

import pytest
from pacs_objects import make_nm, series_uid, sop_uid, study_uid
from pydicom import dcmread, dcmwrite
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from real_archives import running, store

from mpss_lib.dicom.decoding import decompress
from mpss_lib.dicom.syntaxes import LOSSLESS
from mpss_lib.pull.archive.association import FETCHED_CLASSES, requesting_entity
from mpss_lib.pull.archive.session import ArchiveSession

pytestmark = pytest.mark.pacs

SHAPE = (3, 64, 64)
STORED = {
    ExplicitVRLittleEndian: (),
    ImplicitVRLittleEndian: (),
    DeflatedExplicitVRLittleEndian: (),
    JPEG2000Lossless: (),  # written by pydicom
    JPEGLosslessSV1: ("dcmcjpeg", "+e1"),
    JPEGLossless: ("dcmcjpeg", "+el", "+sv", "4"),
    JPEGLSLossless: ("dcmcjpls",),
    RLELossless: ("dcmcrle",),
}
"""Transfer syntax -> the program of DCMTK that writes it."""


@pytest.fixture(scope="module")
def objects(installed, tmp_path_factory):
    """One object for each syntax: its number -> file."""
    folder = tmp_path_factory.mktemp("syntaxes")
    found = {}
    for number, (syntax, command) in enumerate(STORED.items(), start=1):
        path = folder / f"{number}.dcm"
        dataset = make_nm(number, shape=SHAPE)
        if syntax == JPEG2000Lossless:
            dataset.compress(syntax, generate_instance_uid=False)
        elif not command:
            dataset.file_meta.TransferSyntaxUID = syntax
        dcmwrite(path, dataset, enforce_file_format=True)
        if command:
            program, *options = command
            arguments = [installed(program), *options, str(path), str(path)]
            subprocess.run(arguments, check=True, capture_output=True)
        assert dcmread(path).file_meta.TransferSyntaxUID == syntax
        found[number] = path
    return found


def delivery(site, number, folder):
    folder.mkdir()
    with ArchiveSession(site) as session:
        found = session.find_objects(study_uid(number), series_uid(number))
        delivered = session.fetch(study_uid(number), found, frozenset(), folder, 1)
    return delivered[sop_uid(number)]


def fetched(site, number, folder):
    return dcmread(delivery(site, number, folder).path)


def pixels_of(dataset):
    """Stored values as the platform decodes them: the environment has no other JPEG decoder."""
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        decompress(dataset)
    return dataset.pixel_array


def check(site, tmp_path):
    kept = {}
    for number, syntax in enumerate(STORED, start=1):
        got = fetched(site, number, tmp_path / str(number))
        kept[syntax.name] = got.file_meta.TransferSyntaxUID.name
        assert got.SOPInstanceUID == sop_uid(number)
        sent = make_nm(number, shape=SHAPE).pixel_array
        assert (pixels_of(got) == sent).all(), syntax.name
    return kept


def test_the_contexts_are_few_enough_and_uncompressed_come_first(site_of):
    contexts = requesting_entity(site_of(104)).requested_contexts
    assert len(contexts) <= 128
    for uid in FETCHED_CLASSES:
        mine = [one.transfer_syntax for one in contexts if one.abstract_syntax == uid]
        assert mine[0] == [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
        assert mine[1:] == [[syntax] for syntax in LOSSLESS]


def test_the_embedded_archive_sends_each_as_it_is_stored(
    archive, server, site_of, objects, tmp_path
):
    archive.add(*objects.values())
    kept = check(site_of(server.port), tmp_path)
    compressed = [syntax.name for syntax in STORED if syntax in LOSSLESS]
    assert {name: kept[name] for name in compressed} == {name: name for name in compressed}


def send(installed, server, path, tmp_path):
    """Store a file in its own syntax."""
    port, aet = server
    folder = tmp_path / f"to-{path.stem}"
    folder.mkdir()
    (folder / path.name).write_bytes(path.read_bytes())
    store(installed, aet, port, folder, "-xf", *profile(tmp_path, path))


def test_orthanc_sends_each_as_it_is_stored(installed, site_of, objects, tmp_path):
    with running("orthanc", installed, tmp_path / "server") as server:
        for path in objects.values():
            send(installed, server, path, tmp_path)
        kept = check(site_of(server[0], called_aet=server[1], dimse_timeout_s=20), tmp_path)
    compressed = [syntax.name for syntax in STORED if syntax.is_encapsulated]
    assert {name: kept[name] for name in compressed} == {name: name for name in compressed}


PREFERRED = {
    JPEG2000Lossless: "+xv",
    JPEGLosslessSV1: "+xs",
    JPEGLSLossless: "+xt",
    RLELossless: "+xr",
}
"""What dcmqrscp must be told to accept a syntax. It sends over the first context that it accepted,
and cannot where that is an uncompressed one: the object comes when nothing else is offered."""


@pytest.mark.parametrize("syntax", PREFERRED, ids=lambda syntax: syntax.keyword)
def test_dcmqrscp_sends_it_as_it_is_stored(installed, site_of, objects, tmp_path, syntax):
    number = list(STORED).index(syntax) + 1
    (tmp_path / "server").mkdir()
    with running("dcmqrscp", installed, tmp_path / "server", PREFERRED[syntax]) as server:
        send(installed, server, objects[number], tmp_path)
        send(installed, server, objects[1], tmp_path)
        site = site_of(server[0], called_aet=server[1], dimse_timeout_s=20)
        kept = [fetched(site, n, tmp_path / str(n)) for n in (number, 1)]
    assert [one.file_meta.TransferSyntaxUID for one in kept] == [syntax, ExplicitVRLittleEndian]
    assert (pixels_of(kept[0]) == make_nm(number, shape=SHAPE).pixel_array).all()


def test_what_is_stored_with_loss_is_named_and_not_kept(archive, server, site_of, tmp_path):
    dataset = make_nm(1, shape=SHAPE)
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    dataset.file_meta.TransferSyntaxUID = JPEG2000
    archive.add(dataset)
    found = delivery(site_of(server.port), 1, tmp_path / "1")
    assert found.syntax == "JPEG 2000 Image Compression"
    assert found.problem != ""
    assert list((tmp_path / "1").iterdir()) == []


SETTINGS = """\
[[TransferSyntaxes]]
[As]
TransferSyntax1 = {syntax}
[[PresentationContexts]]
[Nm]
PresentationContext1 = 1.2.840.10008.5.1.4.1.1.20\\As
[[Profiles]]
[Default]
PresentationContexts = Nm
"""


def profile(folder, path):
    """Settings of storescu that propose exactly the syntax of a file."""
    file = folder / f"{path.stem}.cfg"
    file.write_text(SETTINGS.format(syntax=dcmread(path).file_meta.TransferSyntaxUID))
    return str(file), "Default"
