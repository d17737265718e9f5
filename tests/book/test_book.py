"""The book builds without a warning, asks no network, and leaves nothing of the code out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mpss_lib.alarms.rules import RULES
from mpss_lib.config import Config
from mpss_lib.doctor.shown_settings import meanings
from mpss_lib.radiomics.catalogue import NAMES

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A folder with what docker/Dockerfile copies, and nothing else."""
    place = tmp_path_factory.mktemp("image")
    steps = (PROJECT / "docker/Dockerfile").read_text()
    for names, target in re.findall(r"^COPY (.+) (\S+)$", steps, re.M):
        for name in names.split():
            if (PROJECT / name).is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(PROJECT / name, place / target, ignore=ignore)
            else:
                to = place / target
                to = to / Path(name).name if target.endswith("/") else to
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(PROJECT / name, to)
    return place


@pytest.fixture(scope="module")
def book(image, tmp_path_factory):
    """The book as the image builds it; a warning of the build is an error."""
    place = tmp_path_factory.mktemp("book")
    steps = (PROJECT / "docker/Dockerfile").read_text().replace("\\\n", " ")
    [words] = re.findall(r"&& python (-m sphinx [^&]+)&&", steps)
    command = words.split()
    assert command[-1] == "build/book"  # where `mpss_lib.project.BOOKS` looks beside a checkout
    trees = command.index("-d") + 1
    command[trees], command[-1] = f"{place}-trees", str(place)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=image,
        env=os.environ | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return place


class Page(HTMLParser):
    """Addresses that a page loads, and those that it leads to."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.anchors, self.acts = [], [], set(), []
        self.inline = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.anchors.add(told.get("id"))
        self.acts += [name for name in told if name.startswith("on")]
        self.inline += tag == "script" and "src" not in told
        if tag in ("script", "img", "iframe") and told.get("src"):
            self.loads.append(told["src"])
        if tag == "link" and told.get("rel") != "canonical" and told.get("href"):
            self.loads.append(told["href"])
        if tag == "a" and told.get("href"):
            self.links.append(told["href"])


@pytest.fixture(scope="module")
def pages(book):
    return {path: Page(path.read_text()) for path in book.rglob("*.html")}


def words(book, name):
    """Texts that a page shows as code."""
    text = (book / f"{name}.html").read_text()
    told = re.findall(r"<code[^>]*>(.*?)</code>", text, re.S)
    return {unescape(re.sub(r"<[^>]+>", "", one)) for one in told}


def test_every_setting_has_its_meaning_and_stands_in_the_book(book):
    sections = {name: set(one.annotation.model_fields) for name, one in Config.model_fields.items()}
    assert {name: set(keys) for name, keys in meanings().items()} == sections
    assert all(text.strip() for keys in meanings().values() for text in keys.values())
    told = words(book, "reference/settings")
    assert {f"[{name}]" for name in sections} <= told
    assert set().union(*sections.values()) <= told


def test_settings_that_are_in_no_address_are_marked_in_the_book(book):
    text = (book / "reference/settings.html").read_text()
    for part in re.split(r"<h2>", text)[1:]:
        section = re.search(r"\[(\w+)\]", part)[1]
        cells = re.findall(r"<tr[^>]*><td>(.*?)</td>", part, re.S)
        told = {re.sub(r"<[^>]+>", "", one).strip() for one in cells}
        kind = Config.model_fields[section].annotation
        marked = {key + (" *" if key in kind.unhashed else "") for key in kind.model_fields}
        assert {one.removeprefix("<p>") for one in told} == marked


def test_every_command_of_the_command_line_stands_in_the_book(book):
    files = (PROJECT / "mpss_lib" / "cli").glob("*.py")
    shown = r'(?:"([\w-]+)")?(?![^\n]*hidden=True)[^\n]*'
    one = re.compile(rf"^@(\w*?)_?app\.command\({shown}\)\n(?:@.*\n)*def (\w+)", re.M)
    found = [names for path in files for names in one.findall(path.read_text())]
    assert len(found) > 50
    wanted = {
        f"mpss {group} {name or function.replace('_', '-')}" for group, name, function in found
    }
    assert {" ".join(one.split()) for one in wanted} <= words(book, "reference/commands")


def test_every_relation_and_check_stands_in_the_book(book):
    relations = {path.stem for part in ("2_core", "3_out") for path in sql(part)}
    assert len(relations) > 60
    assert relations <= words(book, "reference/relations")
    checks = {path.stem for path in sql("checks")}
    assert checks
    assert checks <= words(book, "reference/expectations")


def sql(part):
    return (PROJECT / "sql" / part).glob("*.sql")


def test_every_lake_table_dag_task_route_error_and_feature_stands_in_the_book(book):
    def written(place, pattern):
        paths = sorted((PROJECT / place).rglob("*.py"))
        found = {one for path in paths for one in re.findall(pattern, path.read_text(), re.M)}
        assert found, pattern
        return found

    tables = written("mpss_lib", r'^    _table\(\n        "(\w+)"')
    assert tables <= words(book, "reference/lake")
    told = words(book, "reference/dags")
    assert written("dags", r'dag_id="(\w+)"') <= told
    tasks = written("dags", r"@task(?!_group)[^\n]*\n(?: +[^\n]*\n)*? +def (\w+)")
    assert tasks <= {one.split(".")[-1] for one in told}
    routes = written("plugins/mpss_airflow/pages", r'@router\.(?:get|post)\("([^"]+)"')
    assert {f"/mpss{path}" for path in routes} <= words(book, "reference/routes")
    assert written(
        "mpss_lib", r"^class ([A-Z]\w+Error)\((?:Mpss|Study|Platform|TryAgain|Wrong|Archive)"
    ) <= words(book, "reference/errors")
    assert set(NAMES) <= words(book, "reference/features")
    metrics = written("plugins", r'stats\.\w+\("(mpss\.[a-z.]+)"')
    assert metrics <= words(book, "reference/metrics")


def test_every_alarm_has_its_runbook():
    text = (PROJECT / "docs/how-to/runbooks.md").read_text()
    heads = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^## .*$", text, re.M))))
    assert heads == {rule.__name__.lstrip("_") for rule in RULES} | {"blind"}


def test_the_book_asks_no_network_and_its_links_lead_somewhere(book, pages):
    for path, page in pages.items():
        assert [one for one in page.loads if re.match(r"(https?:)?//", one)] == [], path
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            target, _, anchor = link.partition("#")
            file = (path.parent / target).resolve() if target else path
            assert file.is_file(), f"{path.name}: {link}"
            if anchor and file in pages:
                assert anchor in pages[file].anchors, f"{path.name}: {link}"


def test_what_the_search_finds(book):
    index = (book / "searchindex.js").read_text()
    assert all(word in index for word in ("quarantin", "lookback_day", "clust_shade"))


def test_a_page_of_the_book_may_run_what_stands_in_it_and_no_more(book, pages):
    from mpss_airflow.pages.book import policy_of

    for path, page in pages.items():
        assert page.acts == [], path.name  # a script in an attribute would not run
        assert policy_of(path.read_text()).count("'sha256-") == page.inline, path.name

    assert pages[book / "index.html"].inline > 0


def test_the_wheel_takes_the_book(book, tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, tmp_path)
    (tmp_path / ".gitignore").write_text("build/\n")
    (tmp_path / "mpss_lib").mkdir()
    (tmp_path / "build").mkdir()
    (tmp_path / "build/book").symlink_to(book)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    there = set(zipfile.ZipFile(wheel).namelist())
    kinds = {".html", ".js", ".css", ".svg", ".png", ".woff2"}
    files = {one.relative_to(book).as_posix() for one in book.rglob("*") if one.suffix in kinds}
    assert "searchindex.js" in files
    assert {f"mpss_lib/installed/book/{one}" for one in files} <= there
    assert not [one for one in there if one.endswith((".map", ".doctree", ".pickle"))]
