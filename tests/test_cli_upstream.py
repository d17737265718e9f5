"""`mpss reconcile`, `mpss accept` and what `mpss status` says of the archive."""

from datetime import date, timedelta

import pytest
from pacs_objects import make_nm
from peer import Peer, Script
from reconciled_hospital import build, plant

from mpss_lib.config import Config, load, sites_of
from mpss_lib.demo.archive import Archive
from mpss_lib.pull import stage
from mpss_lib.tables import Lake

pytestmark = pytest.mark.pacs


@pytest.fixture
def home(tmp_path, monkeypatch):
    archive = Archive(tmp_path / "pacs")
    with archive.serve(aet="HOSPITAL") as server:
        (tmp_path / "mpss.toml").write_text(
            f'[archive]\nport = {server.port}\ncalled_aet = "HOSPITAL"\n'
        )
        monkeypatch.setenv("MPSS_HOME", str(tmp_path))
        monkeypatch.setattr("mpss_lib.whole_files.sync", lambda path: None)
        config = load(tmp_path)
        lake, sites = Lake(tmp_path / "lake"), sites_of(config, tmp_path)
        days = date(2026, 2, 1), date(2026, 3, 31)
        yield build(archive, lake, config, sites, 24, *days)


def test_a_range_of_months_is_compared_and_the_exit_status_says_whether_it_differs(home, mpss):
    assert mpss("reconcile", "2026-02", "2026-03")[0] == 0
    [key] = plant(home, {"deleted": 1}, 24)
    status, out, _ = mpss("reconcile", "2026-02", "2026-03")
    assert status == 1
    assert f"{key} deleted | way out: ask the PACS team" in out
    assert "1 differences, 0 accepted" in out
    status, out, _ = mpss("status")
    assert status == 0
    assert "otherwise than the lake: deleted 1" in out


def test_the_way_out_of_a_late_study_names_the_days_and_mends_it(home, mpss):
    [key] = plant(home, {"late": 1}, 24)
    status, out, _ = mpss("reconcile", "2026-02", "2026-03")
    assert status == 1
    [line] = [line for line in out.splitlines() if key in line]
    command = line.split("`")[1]
    assert command == "mpss find 2026-02-01 2026-02-28"
    kept = " ".join(p.read_text() for p in home.lake.root.glob("upstream/*/*.json"))
    assert "2026" not in kept.replace(key, "")
    status, out, _ = mpss(*command.split()[1:])
    assert status == 0
    assert key in out


def test_a_study_that_moved_is_found_again_by_its_key(home, mpss):
    [key] = plant(home, {"redated_out": 1}, 24)
    _, out, _ = mpss("reconcile", "2026-02", "2026-03")
    assert f"mpss find --study {key}" in out
    assert mpss("find", "--study", key)[:2] == (0, f"{key}\n")
    assert mpss("reconcile", "2026-02", "2026-05")[0] == 0


def test_one_month_does_not_speak_of_another(home, mpss):
    plant(home, {"deleted": 24}, 24)
    home.archive.add()
    status, out, err = mpss("reconcile", "2026-03")
    assert status == 1
    assert "2026-02" not in out
    assert "none of the" in err  # every study of a month gone at once is another archive


def test_an_accepted_deletion_is_told_and_no_fault(home, mpss):
    [key] = plant(home, {"deleted": 1}, 24)
    assert mpss("reconcile", "2026-02", "2026-03")[0] == 1
    assert mpss("accept", key)[0] == 0
    status, out, _ = mpss("reconcile", "2026-02", "2026-03")
    assert status == 0
    assert f"{key} deleted | accepted" in out
    assert "otherwise than the lake: nothing" in mpss("status")[1]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("reconcile", "March"), "'March' is no month"),
        (("reconcile", "2026-13"), "'2026-13' is no month"),
        (("reconcile", "2026-03", "2026-02"), "2026-02 is before 2026-03"),
        (("accept", "S0123456789abcdef"), "has nothing that waits"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(words, named, home, mpss):
    status, _, err = mpss(*words)
    assert status == 2
    assert named in err
    assert len(err.strip().splitlines()) == 1


@pytest.fixture
def pulled(tmp_path, monkeypatch):
    """A home with one study whose pixels the archive corrects; (archive, key)."""
    archive = Archive(tmp_path / "pacs")
    script = Script()
    archive.add(make_nm(1))
    with Peer(archive, script) as peer:
        (tmp_path / "mpss.toml").write_text(
            f'[archive]\nport = {peer.port}\ncalled_aet = "HOSPITAL"\n'
        )
        monkeypatch.setenv("MPSS_HOME", str(tmp_path))
        config = load(tmp_path)
        sites = sites_of(config, tmp_path)
        [key] = stage.find(
            (date(2026, 3, 2), date(2026, 3, 3)), Lake(tmp_path / "lake"), config, sites
        )
        stage.run(key, Lake(tmp_path / "lake"), config, sites)
        yield script, key, Lake(tmp_path / "lake"), config


def test_a_correction_is_found_told_and_accepted(pulled, mpss):
    script, key, lake, config = pulled
    before = lake.rows("instance", config.address("pull"), key)
    assert mpss("recheck")[0] == 0
    script.edit_object = lambda dataset: setattr(dataset, "RescaleSlope", "2")
    status, out, _ = mpss("recheck")
    assert status == 1
    assert f"{key} corrected (1 of: RescaleSlope)" in out
    assert f"mpss accept {key}" in out
    assert "otherwise than the lake: corrected 1" in mpss("status")[1]
    assert lake.rows("instance", config.address("pull"), key) == before

    assert mpss("accept", key)[0] == 0

    after = lake.rows("instance", config.address("pull"), key)
    assert after[0]["path"] != before[0]["path"]
    [volume] = lake.rows("volume", config.address("intake"), key)
    assert volume["path"] == after[0]["path"], "the stages after pull see the new version"
    assert mpss("recheck", key)[0] == 0
    assert mpss("accept", key)[0] == 2


def test_without_a_month_the_last_days_of_the_settings_are_compared(home, mpss, monkeypatch):
    asked = []

    def compare(window, *_):
        from mpss_lib.pull.upstream.reconcile import Reconciliation

        asked.append(window)
        return Reconciliation((), ())

    monkeypatch.setattr("mpss_lib.pull.upstream.reconcile_door.reconcile", compare)
    assert mpss("reconcile")[0] == 0
    [(first, last)] = asked
    assert last - first == timedelta(days=Config().maintenance.reconcile_days)
