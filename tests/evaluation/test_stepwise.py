from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import stepwise as oracle
from scipy.stats import f as f_dist

from mpss_lib.errors import DegenerateStartError, WrongArgumentError
from mpss_lib.evaluation import stepwise
from mpss_lib.evaluation._kernels import log_f_tail

HALD_X = np.array(
    [[7, 26, 6, 60], [1, 29, 15, 52], [11, 56, 8, 20], [11, 31, 8, 47], [7, 52, 6, 33],
     [11, 55, 9, 22], [3, 71, 17, 6], [1, 31, 22, 44], [2, 54, 18, 22], [21, 47, 4, 26],
     [1, 40, 23, 34], [11, 66, 9, 12], [10, 68, 8, 12]], float
)  # fmt: skip
HALD_Y = np.array(
    [78.5, 74.3, 104.3, 87.6, 95.9, 109.2, 102.7, 72.5, 93.1, 115.9, 83.8, 113.3, 109.4]
)
RULES = (
    {"criterion": "aic", "p_enter": 0.05, "p_remove": 0.2},
    {"criterion": "aic", "p_enter": 0.0, "p_remove": 0.01},
    {"criterion": "sse", "p_enter": 0.05, "p_remove": 0.2},
    {"criterion": "sse", "p_enter": 0.05, "p_remove": 0.10},
)


def hald() -> dict[str, np.ndarray]:
    return {f"x{k + 1}": HALD_X[:, k] for k in range(4)}


def test_hald_path_of_the_help_page():
    """MATLAB's stepwiselm help: add x4, x1, x2 (p .051687), remove x4 (p .2054)."""
    model = stepwise(hald(), HALD_Y, criterion="sse", p_enter=0.06, p_remove=0.1)
    assert [(step.term, step.is_added) for step in model.path] == [
        ("x4", True), ("x1", True), ("x2", True), ("x4", False),
    ]  # fmt: skip
    assert model.path[2].value == pytest.approx(0.051687, abs=5e-7)
    assert model.path[3].value == pytest.approx(0.2054, abs=5e-5)
    assert model.terms == ("x1", "x2")
    assert model.coefficients["(intercept)"] == pytest.approx(52.5773, abs=5e-5)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule['criterion']}{rule['p_remove']}")
@pytest.mark.parametrize("block", range(5))
def test_same_terms_as_statsmodels(problem, rule, block):
    for seed in range(block * 60, block * 60 + 60):
        columns, y, start = problem(seed)
        try:
            model = stepwise(columns, y, start=start, **rule)
        except DegenerateStartError:
            used = oracle.Problem(columns, y).space(frozenset(start)).shape[1]
            assert len(y) - 1 - used <= 0 or used < len(start), seed
            continue
        terms, llf = oracle.stepwise(columns, y, start=start, **rule)
        assert list(model.terms) == terms, seed
        assert model.llf == pytest.approx(llf, abs=1e-6), seed


@pytest.mark.parametrize("kind", ["plain", "autoregressive", "factor", "duplicate", "scaled"])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=25)
def test_order_of_the_candidates_does_not_matter(kind, seed):
    from_file = _problem_module()
    columns, y, _ = from_file.make_problem(seed, kind)
    names = list(np.random.default_rng(seed).permutation(list(columns)))
    one, other = stepwise(columns, y), stepwise({name: columns[name] for name in names}, y)
    assert one.llf == pytest.approx(other.llf, abs=1e-9)
    if kind != "duplicate":
        assert set(one.terms) == set(other.terms)


def _problem_module():
    import importlib.util

    path = Path(__file__).with_name("conftest.py")
    spec = importlib.util.spec_from_file_location("regression_problems", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_fit_equals_statsmodels(problem):
    import statsmodels.api as sm

    columns, y, _ = problem(5, "factor")
    model = stepwise(columns, y)
    design = [np.ones(len(y))]
    names = ["(intercept)"]
    for term in model.terms:
        if columns[term].dtype.kind == "U":
            levels = sorted(set(columns[term]))[1:]
            design += [(columns[term] == level).astype(float) for level in levels]
            names += [f"{term}={level}" for level in levels]
        else:
            design.append(columns[term])
            names.append(term)
    result = sm.OLS(y, np.column_stack(design)).fit()
    assert [model.coefficients[n] for n in names] == pytest.approx(result.params, rel=1e-9)
    assert [model.std_errors[n] for n in names] == pytest.approx(result.bse, rel=1e-9)
    assert [model.pvalues[n] for n in names] == pytest.approx(result.pvalues, rel=1e-7)
    assert model.pvalue == pytest.approx(result.f_pvalue, rel=1e-7)
    assert model.aic == pytest.approx(result.aic, abs=1e-8)
    assert model.predict(columns) == pytest.approx(result.fittedvalues, rel=1e-9)


@given(
    ratio=st.floats(1e-12, 1 - 1e-12), df=st.integers(1, 400), q=st.integers(1, 6)
)  # fmt: skip
@settings(max_examples=200)
def test_tail_of_f_equals_scipy(ratio, df, q):
    value = (1 - ratio) / ratio * df / q
    expected = np.log(max(f_dist.sf(value, q, df), 1e-300))
    if expected > -600:
        assert log_f_tail(ratio, float(df), float(q)) == pytest.approx(expected, abs=1e-7, rel=1e-9)


@pytest.mark.parametrize(
    ("columns", "start"),
    [
        ({"a": [1.0, 2.0, 3.0, 5.0], "b": [2.0, 4.0, 6.0, 10.0]}, ["a", "b"]),
        ({"a": [1.0, 1.0, 1.0, 1.0]}, ["a"]),
        ({"a": [1.0, 2, 3, 5], "b": [1.0, 0, 0, 1], "c": [0.0, 1, 0, 2]}, ["a", "b", "c"]),
    ],
    ids=["collinear", "constant", "no residual df"],
)
def test_degenerate_start_is_refused(columns, start):
    with pytest.raises(DegenerateStartError, match="start model"):
        stepwise(columns, [1.0, 3.0, 2.0, 5.0], start=start)


@pytest.mark.parametrize(
    ("columns", "y", "options"),
    [
        ({"a": [1.0, np.nan, 2.0]}, [1.0, 2.0, 3.0], {}),
        ({"a": [1.0, 2.0]}, [1.0, 2.0, 3.0], {}),
        ({"a": [1.0, 2.0, 4.0]}, [1.0, 1.0, 1.0], {}),
        ({"a": [1.0, 2.0, 4.0]}, [1.0, 2.0, 3.0], {"p_enter": 0.3}),
        ({"a": [1.0, 2.0, 4.0]}, [1.0, 2.0, 3.0], {"start": ["b"]}),
        ({"a": [1.0, 2.0, 4.0]}, [1.0, 2.0, 3.0], {"criterion": "bic"}),
    ],
)
def test_wrong_arguments_are_named(columns, y, options):
    with pytest.raises(WrongArgumentError):
        stepwise(columns, y, **options)


def test_a_level_that_was_not_seen_is_refused():
    rng = np.random.default_rng(0)
    group = np.array(list("abc"))[rng.integers(0, 3, 60)]
    model = stepwise({"group": group}, (group == "b") * 5 + rng.normal(size=60))
    assert model.terms == ("group",)
    with pytest.raises(WrongArgumentError, match="'d'"):
        model.predict({"group": np.array(["d"])})


def test_kernel_without_compilation():
    """The same path when numba is switched off: the loop is plain Python too."""
    code = (
        "import numpy as np; from mpss_lib.evaluation import stepwise;"
        f"x = np.array({HALD_X.tolist()}); y = np.array({HALD_Y.tolist()});"
        "m = stepwise({f'x{k + 1}': x[:, k] for k in range(4)}, y, criterion='sse', p_enter=.06,"
        " p_remove=.1); print([s.term for s in m.path])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "['x4', 'x1', 'x2', 'x4']"


def test_a_perfect_fit_of_few_rows_is_a_model_and_no_error():
    x = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    model = stepwise({"x": x}, 2.0 * x, start=("x",))
    assert model.coefficients["x"] == pytest.approx(2.0)
    assert model.llf > 50 or model.llf == float("inf")
    assert model.pvalue < 1e-20


def test_a_fit_that_leaves_no_residual_at_all_is_infinitely_likely():
    from mpss_lib.evaluation.design import encode
    from mpss_lib.evaluation.stepwise import fit

    design = encode({"x": np.array([1.0, -1.0, 1.0, -1.0])})
    found = fit(design, np.array([1.0, -1.0, 1.0, -1.0]), np.array([0]), np.array([True]), "ml")
    assert found.llf == float("inf")
    assert found.pvalue == 0.0
