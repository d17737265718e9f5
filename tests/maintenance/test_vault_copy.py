import datetime as dt

import pytest

from mpss_lib import clock
from mpss_lib.errors import PlatformFaultError
from mpss_lib.maintenance.vault_copy import KEPT, copy_vault
from mpss_lib.pull.vault import Vault


def test_a_copy_opens_with_its_key_and_gives_the_same_pseudonyms(tmp_path):
    path = tmp_path / "vault.sqlite"
    key = Vault(path).study_key("1.2.3")
    copy = copy_vault(path)
    assert Vault(copy).study_key("1.2.3") == key
    for file in (copy, copy.with_name(copy.name + ".key")):
        assert file.stat().st_mode & 0o777 == 0o600
    assert copy.parent.stat().st_mode & 0o777 == 0o700


def test_the_newest_copies_are_kept(tmp_path):
    path = tmp_path / "vault.sqlite"
    Vault(path)
    copies = [copy_vault(path) for _ in range(KEPT + 2)]
    kept = sorted(copies[0].parent.iterdir())
    assert [p for p in kept if p.suffix == ".sqlite"] == copies[2:]
    assert len(kept) == 2 * KEPT


@pytest.mark.parametrize("days", [-400, 400])
def test_the_newest_copies_are_kept_though_the_clock_was_set(tmp_path, monkeypatch, days):
    class Clock(dt.datetime):
        at = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)

        @classmethod
        def now(cls, tz=None):
            return cls.at.astimezone(tz)

    monkeypatch.setattr(clock, "datetime", Clock)
    path = tmp_path / "vault.sqlite"
    Vault(path)
    copies = []
    for _ in range(KEPT + 2):
        copies.append(copy_vault(path))
        Clock.at += dt.timedelta(days=days)
    assert sorted(copies[0].parent.glob("*.sqlite")) == copies[2:]


def test_no_vault_is_said(tmp_path):
    with pytest.raises(PlatformFaultError, match="no vault"):
        copy_vault(tmp_path / "vault.sqlite")
