"""Two readers: what answers come to, in Python, in SQL and by an independent count."""

import random
from collections import Counter, defaultdict

import duckdb
import pytest

from mpss_lib.quality.consensus import SEALED, assigned_to, shown_to, standing_of
from mpss_lib.sections import ReviewSettings
from mpss_lib.sql_files import sql_folder

ONE, TWO = ReviewSettings(), ReviewSettings(readers=2)
OPEN_TWO = ReviewSettings(readers=2, blind=False)
RULES = [ONE, TWO, OPEN_TWO]


def told(*answers, study="s"):
    """Answers of ``reviewer decision`` in the order of time."""
    return [
        {"study_key": study, "reviewer": one, "decision": decision, "reason": f"why {number}",
         "decided_at": f"2026-01-01T10:00:{number:02d}Z"}
        for number, (one, decision) in enumerate(answer.split() for answer in answers)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "decision", "settled_by", "n_needed"),
    [
        ((), "", "", 2),
        (("a accept",), "undecided", "", 1),
        (("a accept", "a accept"), "undecided", "", 1),  # one account is one reader
        (("a accept", "b accept"), "accept", "agreement", 0),
        (("a accept", "b reject"), "undecided", "", 1),
        (("a accept", "b reject", "c accept"), "accept", "consensus", 0),
        (("a accept", "b reject", "b accept"), "accept", "agreement", 0),
        (("a accept", "b accept", "a reject"), "undecided", "", 1),  # it replaces its own only
        (("a accept", "b accept", "c reject"), "accept", "consensus", 0),
        (("a unsure", "b accept"), "undecided", "", 1),
        (("a unsure", "b unsure"), "undecided", "", 2),
        (("a accept", "b accept", "c reject", "d reject"), "undecided", "", 1),
    ],
)
def test_two_of_one_mind_decide(answers, decision, settled_by, n_needed):
    found = standing_of(told(*answers), OPEN_TWO)
    assert (found.decision, found.settled_by, found.n_needed) == (decision, settled_by, n_needed)


@pytest.mark.parametrize("rule", [TWO, ONE, OPEN_TWO])
def test_only_the_first_of_two_blind_answers_is_hidden(rule):
    first = told("a reject", "a accept")
    hidden = {row["decision"] for row in shown_to("b", first, rule)}
    assert hidden == ({SEALED} if rule is TWO else {"reject", "accept"})
    assert shown_to("a", first, rule) == first
    both = told("a reject", "b accept")
    assert shown_to("b", both, rule) == shown_to("c", both, rule) == both


def test_under_a_seal_nothing_depends_on_the_answer():
    ways = [told(f"a {decision}") for decision in ("accept", "reject", "unsure")]
    shown = [(standing_of(way, TWO), shown_to("b", way, TWO)) for way in ways]
    assert shown[0] == shown[1] == shown[2]


def test_studies_are_dealt_evenly_and_stay_when_somebody_joins():
    keys = [f"S{number}" for number in range(600)]
    before = ReviewSettings(readers=2, assigned=("a", "b", "c"))
    after = ReviewSettings(readers=2, assigned=("a", "b", "c", "d"))
    nobody = standing_of([], before)
    dealt = {key: assigned_to(key, nobody, before) for key in keys}
    counts = Counter(one for names in dealt.values() for one in names)
    assert all(len(set(names)) == 2 for names in dealt.values())
    assert all(340 <= count <= 460 for count in counts.values())  # 400 wanted
    for key in keys:
        assert set(assigned_to(key, nobody, after)) - {"d"} <= set(dealt[key])
    split = standing_of(told("a accept", "b reject"), before)
    assert assigned_to("S1", split, before) == ["c"]


@pytest.mark.parametrize("assigned", [("a",), ("a", "a", "b"), ("a", " ")])
def test_readers_who_cannot_be_dealt_to_are_refused(assigned):
    with pytest.raises(ValueError, match="assigned"):
        ReviewSettings(readers=2, assigned=assigned)


# ---------------------------------------------------------------- the same in SQL


def histories(n_studies=400):
    dice = random.Random(20)
    return {
        f"s{number}": told(
            *(
                f"{dice.choice('abcd')} {dice.choice(['accept', 'accept', 'reject', 'unsure'])}"
                for _ in range(dice.randint(1, 6))
            ),
            study=f"s{number}",
        )
        for number in range(n_studies)
    }


def asked(rule, answers):
    """A snapshot of answers alone: the relations of reviews as ``sql/`` makes them."""
    connection = duckdb.connect()
    for schema in ("meta", "raw", "quality"):
        connection.execute(f"create schema {schema}")
    connection.execute("create table meta.cohort_rule (readers bigint, is_blind boolean)")
    connection.execute("insert into meta.cohort_rule values (?, ?)", [rule.readers, rule.blind])
    connection.execute(
        "create table review (study_key text, decision text, reason text, reviewer text,"
        " decided_at text)"
    )
    names = ("study_key", "decision", "reason", "reviewer", "decided_at")
    connection.executemany(
        "insert into review values (?, ?, ?, ?, ?)",
        [[row[name] for name in names] for rows in answers.values() for row in rows],
    )
    for path in ("1_raw/raw.review", "2_core/quality.decision", "3_out/quality.review",
                 "3_out/quality.reader_agreement"):  # fmt: skip
        text = (sql_folder() / f"{path}.sql").read_text().replace("${review}", "review")
        connection.execute(f"create table {path.partition('/')[2]} as {text}")
    return connection


@pytest.mark.parametrize("rule", RULES)
def test_the_snapshot_decides_as_the_pages_do(rule):
    answers = histories()
    with asked(rule, answers) as connection:
        found = {
            key: rest
            for key, *rest in connection.execute(
                "select study_key, decision, settled_by, n_readers from quality.decision"
            ).fetchall()
        }
        shown = connection.execute("select study_key, decision from raw.review").fetchall()
    assert len(found) == len(answers)
    for key, rows in answers.items():
        standing = standing_of(rows, rule)
        wanted = [standing.decision, standing.settled_by, len(standing.readers)]
        assert found[key] == wanted, rows
    sealed = {key for key, decision in shown if decision == SEALED}
    assert sealed == {key for key, rows in answers.items() if standing_of(rows, rule).is_sealed}
    assert bool(sealed) is (rule is TWO)


@pytest.mark.parametrize("rule", RULES)
def test_kappa_is_that_of_the_answers_before_either_could_read_the_other(rule):
    """Cohen's kappa (Educ Psychol Meas 1960;20:37) from the table of counts of each two readers."""
    tables = defaultdict(Counter)
    for rows in histories().values():
        first = list(dict.fromkeys(row["reviewer"] for row in rows))[:2]
        if len(first) < 2:
            continue
        end = next(row["decided_at"] for row in rows if row["reviewer"] == first[1])
        stood = {row["reviewer"]: row["decision"] for row in rows if row["decided_at"] <= end}
        one, other = sorted(first)
        tables[one, other][stood[one], stood[other]] += 1
    with asked(rule, histories()) as connection:
        found = connection.execute("from quality.reader_agreement").fetchall()
    assert {(a, b) for a, b, *_ in found} == set(tables)
    assert len(found) == 6
    for one, other, n_studies, n_agreeing, agreement, by_chance, kappa in found:
        table = tables[one, other]
        n = sum(table.values())
        same = sum(count for (a, b), count in table.items() if a == b)
        rows, columns = Counter(), Counter()
        for (a, b), count in table.items():
            rows[a] += count
            columns[b] += count
        chance = sum(rows[word] * columns[word] for word in rows) / n**2
        assert (n_studies, n_agreeing) == (n, same)
        assert agreement == pytest.approx(same / n)
        assert by_chance == pytest.approx(chance)
        assert kappa == pytest.approx((same / n - chance) / (1 - chance))
