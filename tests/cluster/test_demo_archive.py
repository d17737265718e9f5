"""The demo's PACS knows the home's receiver."""

import pytest

from mpss_lib.cli.archive import _destination
from mpss_lib.config import load
from mpss_lib.demo import run
from mpss_lib.errors import WrongArgumentError
from mpss_lib.runtime.services import Services


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("MPSS:127.0.0.1:11113", ("MPSS", ("127.0.0.1", 11113))),
        ("A B:::1:104", ("A B", ("::1", 104))),
    ],
)
def test_a_destination_is_a_title_and_an_address(text, destination):
    assert _destination(text) == destination


@pytest.mark.parametrize("text", ["", "MPSS", "MPSS:127.0.0.1", "MPSS:127.0.0.1:x", ":h:1"])
def test_half_an_address_is_refused(text):
    with pytest.raises(WrongArgumentError, match="is no destination"):
        _destination(text)


@pytest.mark.parametrize(("port", "told"), [(0, []), (11999, ["MPSS:127.0.0.1:11999"])])
def test_it_sends_to_the_receiver_where_there_is_one(tmp_path, monkeypatch, port, told):
    commands = []
    monkeypatch.setattr(
        Services, "start", lambda self, name, command, env: commands.append(command)
    )
    monkeypatch.setattr(run, "wait_for_file", lambda *given: "")
    (tmp_path / "mpss.toml").write_text(
        f"[receiver]\nport = {port}\n[archive]\ncalling_aet = 'MPSS'"
    )
    run.start_archive(tmp_path, load(tmp_path, environ={}), Services(tmp_path))
    [words] = commands
    assert [words[n + 1] for n, word in enumerate(words) if word == "--move-to"] == told
