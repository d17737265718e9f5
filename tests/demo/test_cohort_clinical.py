"""The invented cohort has the paper's margins, and the designed signal where it was planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpss_lib.demo.clinical import (
    AMPLITUDE,
    ARTERIES,
    CAC_BINS,
    SIGNALS,
    amplitude_of,
    bin_counts,
    draw_people,
)
from mpss_lib.errors import WrongArgumentError


def people(n: int = 428, seed: int = 7, signal: str = "paper"):
    return draw_people(n, np.random.default_rng(seed), SIGNALS[signal])


def ranks(values) -> np.ndarray:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(float)


def rho(one, other) -> float:
    return float(np.corrcoef(ranks(np.asarray(one)), ranks(np.asarray(other)))[0, 1])


def test_paper_size_has_the_paper_margins():
    made = people()
    total = np.array([person.cac_total for person in made])
    edges = [0.0, 10.0, 100.0, 400.0, 1000.0]
    counts = np.bincount(np.searchsorted(edges, total), minlength=6)
    assert counts.tolist() == [178, 32, 77, 80, 38, 23]
    assert sum(person.sex == "M" for person in made) == round(428 * 232 / 461)


@pytest.mark.parametrize("n", [1, 2, 60, 74, 427, 428, 461, 1000])
def test_classes_sum_to_the_cohort(n):
    counts = bin_counts(n)
    assert sum(counts) == n
    exact = [count * n / 428 for count, _, _ in CAC_BINS]
    assert np.abs(np.array(counts) - exact).max() < 1.0


def test_every_value_is_possible():
    for person in people(200):
        assert 25 <= person.age <= 90
        assert 15.5 <= person.bmi <= 60.5
        assert 40 <= person.lvef <= 88
        assert person.bmi == pytest.approx(person.weight_kg / person.height_m**2, abs=0.06)
        assert min(person.cac.values()) >= 0.0
        assert set(person.amplitude) == set(ARTERIES)
        assert all(AMPLITUDE[0] <= value <= AMPLITUDE[1] for value in person.amplitude.values())
        assert person.cac_total == pytest.approx(sum(person.cac.values()), abs=1e-9)


def test_same_seed_same_people():
    assert people(30) == people(30)
    assert people(30) != people(30, seed=8)


def test_open_signal_shows_in_its_own_artery():
    made = people(2000, signal="open")
    seen = {a: [p.amplitude[a] for p in made] for a in ARTERIES}
    share = [p.cac["lad"] / p.cac_total if p.cac_total else np.nan for p in made]
    has = np.isfinite(share)
    own = rho(np.asarray(share)[has], np.asarray(seen["LAD"])[has])
    other = rho(np.asarray(share)[has], np.asarray(seen["LCX"])[has])
    assert own > 0.15
    assert own > other + 0.15
    assert rho([p.cac_total for p in made], np.mean(list(seen.values()), axis=0)) > 0.15


def test_no_signal_is_none():
    made = people(2000, signal="none")
    for artery in ARTERIES:
        assert abs(rho([p.cac_total for p in made], [p.amplitude[artery] for p in made])) < 0.07


def test_suppressor_hides_most_of_the_signal_and_the_risk_reveals_it():
    made = people(2000)
    seen = np.mean([[p.amplitude[a] for a in ARTERIES] for p in made], axis=1)
    risk = np.array([p.latent["risk"] for p in made])
    total = [p.cac_total for p in made]
    plain = rho(total, seen)
    columns = np.stack([ranks(seen), ranks(risk), np.ones(len(made))], axis=1)
    effect = np.linalg.lstsq(columns, ranks(total), rcond=None)[0]
    assert rho(risk, seen) < -0.4
    assert effect[0] > 0.7
    assert plain < 0.35 * effect[0]


def test_stronger_signal_means_stronger_effect():
    weak = replace(SIGNALS["open"], gamma=0.2)
    effects = []
    for signal in (weak, SIGNALS["open"]):
        made = draw_people(2000, np.random.default_rng(3), signal)
        seen = [sum(p.amplitude.values()) for p in made]
        effects.append(rho([p.cac_total for p in made], seen))
    assert effects[0] < effects[1]


def test_amplitude_grows_with_what_is_seen():
    values = [amplitude_of(x) for x in (-4.0, -1.0, 0.0, 1.0, 4.0)]
    assert values == sorted(values)
    assert values[2] == pytest.approx(np.mean(AMPLITUDE))


def test_nobody_is_refused():
    with pytest.raises(WrongArgumentError, match="0 patients"):
        people(0)
