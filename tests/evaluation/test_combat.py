"""ComBat against neuroCombat's figures, and its laws."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from mpss_lib.evaluation.scanners.combat import fit_combat

TABLE = Path(__file__).parents[1] / "reference" / "combat.csv"


def reference():
    with TABLE.open() as file:
        rows = list(csv.DictReader(file))

    def block(kind):
        return np.array([[float(row[f"{kind}_{k}"]) for k in range(6)] for row in rows])

    covariates = np.array([[float(row["age"]), float(row["male"])] for row in rows])
    return block("given"), covariates, [row["batch"] for row in rows], block("harmonised")


def test_the_values_are_those_of_neurocombat():
    given, covariates, batch, want = reference()
    found = fit_combat(given, covariates, batch).apply(given, covariates, batch)
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-8 * np.abs(given).max())
    assert np.abs(want - given).max() > 0.1  # it does something


def test_what_was_fitted_to_some_rows_is_applied_to_others():
    """The others do not change what is fitted, and each row is mapped by its own scanner alone."""
    given, covariates, batch, _ = reference()
    train = np.arange(36) % 4 != 0
    names = np.array(batch)
    fitted = fit_combat(given[train], covariates[train], list(names[train]))
    whole = fitted.apply(given, covariates, batch)
    for k in np.flatnonzero(~train):
        alone = fitted.apply(given[[k]], covariates[[k]], [batch[k]])
        np.testing.assert_allclose(alone[0], whole[k], rtol=1e-14)


def test_an_unseen_scanner_and_too_few_rows_stay_as_they_are():
    given, covariates, batch, _ = reference()
    fitted = fit_combat(given, covariates, batch)
    stranger = fitted.apply(given, covariates, ["new"] * 36)
    np.testing.assert_array_equal(stranger, given)
    rare = list(batch)
    rare[:2] = ["rare", "rare"]
    found = fit_combat(given, covariates, rare)
    assert found.scanners == ("a", "b", "c")
    np.testing.assert_array_equal(found.apply(given, covariates, rare)[:2], given[:2])


@pytest.mark.parametrize(("batch", "columns"), [(["a"] * 36, 6), ("abc" * 12, 1)])
def test_with_nothing_to_learn_from_nothing_changes(batch, columns):
    given, covariates, _, _ = reference()
    given = given[:, :columns]
    fitted = fit_combat(given, covariates, list(batch))
    assert fitted.scanners == ()
    np.testing.assert_array_equal(fitted.apply(given, covariates, list(batch)), given)


def test_the_scanners_come_together_and_the_covariates_stay():
    rng = np.random.default_rng(2)
    n = 600
    batch = np.repeat(["a", "b", "c"], n // 3)
    z = rng.normal(size=(n, 1)) + 0.5 * (batch == "c")[:, None]  # scanner c sees older patients
    shift = {"a": 0.0, "b": 2.0, "c": -1.0}
    scale = {"a": 1.0, "b": 2.0, "c": 0.5}
    noise = rng.normal(size=(n, 20))
    x = z + np.array([scale[b] for b in batch])[:, None] * noise
    x += np.array([shift[b] for b in batch])[:, None]
    found = fit_combat(x, z, list(batch)).apply(x, z, list(batch))
    slope = np.linalg.lstsq(np.column_stack([np.ones(n), z]), found, rcond=None)[0][1]
    assert slope.mean() == pytest.approx(1.0, abs=0.1)
    rest = found - z
    for name in "abc":
        own = rest[batch == name]
        assert own.mean() == pytest.approx(rest.mean(), abs=0.05)
        assert own.std() == pytest.approx(rest.std(), rel=0.1)


def test_units_do_not_matter_and_a_constant_stays():
    given, covariates, batch, _ = reference()
    given[:, 2] = 7.0
    one = fit_combat(given, covariates, batch).apply(given, covariates, batch)
    np.testing.assert_array_equal(one[:, 2], 7.0)
    scaled = covariates * [1e3, 1.0] + [5e4, 0.0]
    other = fit_combat(given * 1e4, scaled, batch).apply(given * 1e4, scaled, batch)
    np.testing.assert_allclose(other, one * 1e4, rtol=1e-7, atol=1e-3)
