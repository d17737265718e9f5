"""What a physician does, done in a browser: by keys, and by clicks."""

import gzip
from pathlib import Path

import pytest
from shown_home import gated

from mpss_lib.quality.review import reviews_of

pytestmark = pytest.mark.airflow
PROJECT = Path(__file__).resolve().parents[2]
AXE = PROJECT / "tests" / "reference" / "axe-core" / "axe-4.14.1.min.js.gz"
SHOTS = PROJECT / "build" / "screenshots"
"""Pictures of the pages, for whoever wants to look: written anew at each run, in no commit."""
PICTURES = "[...document.images].every((one) => one.complete && one.naturalWidth > 1)"


def serious(page):
    """What axe-core finds that keeps people out, each with its elements."""
    page.run(gzip.decompress(AXE.read_bytes()).decode())
    found = page.run("axe.run().then((r) => r.violations.map((v) => [v.impact, v.id,"
                     " v.nodes.map((n) => n.target.join(' ')).join('; ')]))")  # fmt: skip
    return [one for one in found if one[0] in ("serious", "critical")]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 820])
@pytest.mark.parametrize(
    "path", ["worklist", "studies/{key}", "night", "cohort", "quality", "report/page.html", "sql"]
)
def test_nothing_keeps_people_out(server, shown, page, path, width, dark):
    page.look(width, dark=dark, touch=width < 1000)
    page.log_in(server, "reader")
    page.open(f"{server.pages}/{path.format(key=shown.keys[0])}")
    page.wait(PICTURES)
    theme = "dark" if dark else "light"
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.shot(SHOTS / f"{path.split('/')[0]}-{width}-{theme}.png")
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.run("document.documentElement.dataset.theme") == theme
    assert serious(page) == []
    assert page.run("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    assert {one.split("/")[2] for one in page.requests if one.startswith("http")} == {
        server.address.split("/")[2]
    }


def test_a_question_is_asked_by_keys_and_its_fault_is_said(server, shown, page):
    page.log_in(server, "looker")
    page.open(f"{server.pages}/sql")
    page.run("document.getElementById('sql').value = 'select count(*) as n from core.study'")
    page.click("#run")
    page.wait("document.querySelector('#answer td')")
    assert page.run("document.querySelector('#answer td').textContent") == str(len(shown.keys) + 1)
    page.run("document.getElementById('sql').value = 'select nothing'")
    page.click("#run")
    page.wait("document.getElementById('told').className === 'stop'")
    page.said.clear()  # the browser tells the 422 too


def test_failed_tasks_begin_again_by_a_button(server, page):
    page.log_in(server, "boss")
    page.open(f"{server.pages}/night?run=first")
    page.click(".again")
    page.wait("document.getElementById('told').textContent.startsWith('The failed')")
    page.click(".mend")
    page.wait("document.getElementById('told').textContent.startsWith('Started')")


def test_the_terms_of_a_prediction_are_shown_on_demand(server, shown, page):
    page.log_in(server, "looker")
    page.open(f"{server.pages}/studies/{shown.keys[0]}")
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.click(".terms")
    page.wait("document.getElementById('terms').textContent.includes('MYO')")


def key_of(page):
    return page.run("document.getElementById('study')?.dataset.key")


def test_a_list_is_worked_off_by_one_key_each(server, shown, page, untouched):
    page.log_in(server, "reader")
    page.open(f"{server.pages}/worklist")
    page.press("n")
    seen = []
    for _ in range(3):
        page.wait("document.readyState === 'complete' && document.getElementById('study') &&"
                  f" !{seen!r}.includes(document.getElementById('study').dataset.key)")  # fmt: skip
        page.wait(PICTURES)
        seen.append(key_of(page))
        page.press("a")
    page.wait(f"!{seen!r}.includes(document.getElementById('study').dataset.key)")
    assert len(set(seen)) == 3
    for key in seen:
        (told,) = reviews_of(shown.lake, key)
        assert (told["decision"], told["reason"], told["reviewer"]) == ("accept", "", "reader")


def test_the_last_one_leads_back_to_the_list_though_pages_were_fetched_before(
    server, shown, page, untouched
):
    page.log_in(server, "reader")
    page.open(f"{server.pages}/studies/{shown.keys[0]}")
    for number in range(len(shown.keys)):
        page.wait("document.getElementById('accept')?.disabled === false")
        key = key_of(page)
        page.press("a")
        page.wait("!location.pathname.includes('/studies/') ||"
                  f" document.getElementById('study').dataset.key !== '{key}'")  # fmt: skip
        assert number == len(shown.keys) - 1 or "/studies/" in page.run("location.pathname")
    page.wait("location.pathname.endsWith('/worklist')")


def test_a_reject_asks_for_a_reason_and_a_later_answer_corrects_it(server, shown, page, untouched):
    key = shown.keys[1]
    page.log_in(server, "reader")
    page.open(f"{server.pages}/studies/{key}")
    page.press("r", "5")
    page.wait(f"document.getElementById('study').dataset.key !== '{key}'")
    page.open(f"{server.pages}/studies/{key}")
    page.press("r", "9")  # other: it asks for words
    page.wait("document.activeElement.id === 'remark'")
    page.press(*"two", "Enter")
    page.wait(f"document.getElementById('study').dataset.key !== '{key}'")
    page.open(f"{server.pages}/studies/{key}")
    page.click("#accept")
    page.wait(f"document.getElementById('study').dataset.key !== '{key}'")
    told = [(one["decision"], one["reason"]) for one in reviews_of(shown.lake, key)]
    assert told == [("reject", "spillover"), ("reject", "other: two"), ("accept", "")]


def test_unsure_asks_a_second_reader(server, shown, page, untouched):
    key = shown.keys[2]
    page.log_in(server, "reader")
    page.open(f"{server.pages}/studies/{key}")
    page.click("#unsure")
    page.wait(f"document.getElementById('study').dataset.key !== '{key}'")
    page.open(f"{server.pages}/worklist")
    assert key not in page.run("document.getElementById('list').textContent")
    page.log_in(server, "second")
    page.open(f"{server.pages}/worklist?reader=second")
    assert key in page.run("document.getElementById('list').textContent")
    assert "reader was unsure" in page.run("document.getElementById('list').textContent")


def test_contours_and_slices_answer_keys_and_wheel(server, shown, page):
    page.log_in(server, "looker")
    page.open(f"{server.pages}/studies/{shown.keys[0]}")
    assert page.run("document.getElementById('accept')") is None
    page.press("m")
    page.wait("document.getElementById('montage').src.endsWith('bare.png')")
    page.press("s")
    page.wait("document.getElementById('where').textContent.startsWith('slice')")
    before = page.run("document.getElementById('where').textContent")
    page.wheel("#canvas", 100)
    page.wait(f"document.getElementById('where').textContent !== '{before}'")
    was = page.run("document.getElementById('canvas').toDataURL()")
    page.press("m")
    page.wait(f"document.getElementById('canvas').toDataURL() !== '{was}'")


def test_the_gates_of_a_study_are_played(server, shown, page):
    key = shown.keys[3]
    path = shown.lake.dicom_folder(key) / "chosen.dcm"
    before = path.read_bytes()
    gated(path)
    page.log_in(server, "looker")
    page.open(f"{server.pages}/studies/{key}")
    page.press("s")
    page.wait("document.getElementById('gate-said').textContent === 'sum of all'")
    page.press("c")
    for gate in (1, 4):
        page.wait(f"document.getElementById('gate-said').textContent.startsWith('{gate} of 4')")
    page.press("c")
    page.wait("document.getElementById('gate-said').textContent === 'sum of all'")
    path.write_bytes(before)
    page.open(f"{server.pages}/studies/{shown.keys[4]}")
    page.press("s")
    page.wait("document.getElementById('where').textContent.startsWith('slice')")
    assert page.run("document.getElementById('cine').hidden")


def test_the_ejection_fraction_of_the_gates_is_shown_and_played(server, shown, page):
    page.log_in(server, "looker")
    page.open(f"{server.pages}/studies/{shown.beating}")
    tiles = page.run("document.querySelector('#ejection .tiles').innerText").split()
    assert {"56", "60", "-4", "95", "42"} <= set(tiles)
    assert "beats of other length" in page.run("document.getElementById('ejection').innerText")
    assert page.run("document.querySelectorAll('#ejection circle').length") == 8
    page.press("s")
    page.wait("document.getElementById('gate-said').textContent === 'the chosen series'")
    page.press("c")
    page.wait("document.getElementById('gate-said').textContent.includes('of the chosen series')")
    for width in (1280, 400):
        page.look(width)
        assert page.run("document.documentElement.scrollWidth <= innerWidth")


def test_a_failed_answer_is_said_and_the_study_stays(server, shown, page):
    page.log_in(server, "reader")
    page.open(f"{server.pages}/studies/{shown.keys[0]}")
    page.log_in(server, None)  # the login ended meanwhile
    page.press("a")
    page.wait("document.getElementById('told').className === 'stop'")
    assert "not stored" in page.run("document.getElementById('told').textContent")
    assert key_of(page) == shown.keys[0]
    page.said.clear()  # the browser tells the 401 too
