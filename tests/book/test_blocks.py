"""Every block of code in the book runs, or says why it does not."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from unittest import SkipTest

import pytest
from fabricated_lake import Builder, fabricate, settings
from sybil import Sybil
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser
from typer.testing import CliRunner

import mpss_lib
from mpss_lib import cli
from mpss_lib.config import Config
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "```" in path.read_text())
MAY_NOT_RUN = 21
"""Blocks that are marked as not run, in the whole book: raised by whoever has a reason."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    root = tmp_path_factory.mktemp("book-home")
    build = Builder(Lake(root / "lake"), settings())
    fabricate(build)
    stage.run(build.lake, build.config)
    build.evaluate(stage.freeze_cohort(build.lake, build.config))
    stage.run(build.lake, build.config)
    return root


def run_commands(example):
    """Run the commands of a block; a line that a backslash continues is one."""
    for line in example.parsed.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            assert words[0] == "mpss", f"{line!r} is no command of the platform: mark the block"
            told = CliRunner().invoke(cli.app, words[1:])
            assert told.exit_code == 0, f"{line}\n{told.output}\n{told.exception!r}"


def ask(example):
    with mpss_lib.open_warehouse() as snapshot:
        assert snapshot.execute(example.parsed).description


def set_up(example):
    """Read settings as a home does: an unknown key or a bad value is refused."""
    Config.model_validate(tomllib.loads(example.parsed))


def book():
    return Sybil(
        parsers=[
            SkipParser(),
            PythonCodeBlockParser(),
            CodeBlockParser("sql", ask),
            CodeBlockParser("console", run_commands),
            CodeBlockParser("toml", set_up),
        ]
    )


def test_what_does_not_run_says_why_and_is_counted():
    marks = [line for page in PAGES for line in page.read_text().splitlines() if "skip:" in line]
    assert [
        line for line in marks if not re.fullmatch(r'<!-- skip: next "[^"]{10,}" -->', line)
    ] == []
    assert len(marks) <= MAY_NOT_RUN


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_the_blocks_of_a_page_run(page, home, tmp_path, monkeypatch):
    monkeypatch.setenv("MPSS_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    for example in book().parse(page).examples():
        try:
            example.evaluate()
        except SkipTest:
            continue
