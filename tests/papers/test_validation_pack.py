"""The pack holds what was run here and what is quoted, told apart, and every byte by its digest."""

import csv
import hashlib
import json
import re

import pytest

from mpss_lib.config import ENGINES, Config
from mpss_lib.errors import PlatformFaultError, WrongArgumentError
from mpss_lib.papers import validation_pack
from mpss_lib.papers.validation_pack import PhantomResult, make_pack, quoted

SOUND = PhantomResult("seed 1", 0.93, 120.0, 118.0, ())
SILENT = PhantomResult("seed 2", 0.41, 120.0, 80.0, ())
HELD = PhantomResult("seed 3", 0.41, 120.0, 80.0, ("rival_gap",))


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return make_pack(tmp_path_factory.mktemp("pack") / "new", Config(), [SOUND, HELD])


def test_every_file_is_named_by_its_digest(pack):
    manifest = (pack.folder / "SHA256SUMS").read_bytes()
    assert hashlib.sha256(manifest).hexdigest() == pack.digest
    told = dict(reversed(line.split("  ")) for line in manifest.decode().splitlines())
    there = {p.relative_to(pack.folder).as_posix() for p in pack.folder.rglob("*") if p.is_file()}
    assert set(told) == there - {"SHA256SUMS"}
    for name, digest in told.items():
        assert hashlib.sha256((pack.folder / name).read_bytes()).hexdigest() == digest, name


def test_what_was_run_here_stands_there(pack):
    rows = list(csv.DictReader((pack.folder / "here/ibsi.csv").read_text().splitlines()))
    assert sum(int(row["matched"]) for row in rows) == 482
    assert pack.is_sound
    found = json.loads((pack.folder / "here/versions.json").read_text())
    assert found["engines"] == dict(ENGINES)
    assert found["libraries"]["numpy"][0].isdigit()
    assert found["settings"]["radiomics"] == Config().address("radiomics").config
    front = (pack.folder / "README.md").read_text()
    assert "482 matched, 0 missed" in front
    assert "0 wrong without a flag, least Dice of those without a flag 0.930" in front
    listed = {line.split("`")[1]: line for line in front.splitlines() if line.startswith("| `")}
    assert all(("run on" in line) == name.startswith("here/") for name, line in listed.items())


def test_what_is_quoted_says_so_with_day_and_command(pack):
    for name in ("oracles", "permutation_levels", "fault_matrix", "segmentation"):
        text = (pack.folder / f"quoted/{name}.md").read_text()
        assert "not run on this machine" in text
        assert re.search(r"state \d+ \w+ \d{4}", text)
    assert "fault_matrix.py" in (pack.folder / "quoted/fault_matrix.md").read_text()
    assert "null_calibration.py" in (pack.folder / "quoted/permutation_levels.md").read_text()
    assert "Nothing was run on patients" in (pack.folder / "quoted/known_limits.md").read_text()


def test_a_wrong_mask_without_a_flag_is_a_failure_and_a_pack_is_made_once(tmp_path):
    assert not make_pack(tmp_path / "pack", Config(), [SOUND, SILENT]).is_sound
    with pytest.raises(WrongArgumentError, match="is not empty"):
        make_pack(tmp_path / "pack", Config(), [SOUND])


def test_a_page_that_lost_its_rows_makes_no_pack(tmp_path, monkeypatch):
    page = tmp_path / "index.md"
    page.write_text("State: 1 May 2027.\n\n| what | figure | command |\n|---|---|---|\n")
    monkeypatch.setattr(validation_pack, "book_source", lambda name: page)
    with pytest.raises(PlatformFaultError, match="no row for oracles"):
        quoted()


def test_the_command_segments_here_and_prints_the_digest(tmp_path, mpss):
    status, told, said = mpss("validation-pack", tmp_path / "pack", "--phantoms", "1")
    assert status == 0, said
    digest = hashlib.sha256((tmp_path / "pack/SHA256SUMS").read_bytes()).hexdigest()
    assert digest in told.replace("\n", "")
    [row] = csv.DictReader((tmp_path / "pack/here/segmentation.csv").read_text().splitlines())
    assert float(row["dice_of_wall"]) > 0.85
