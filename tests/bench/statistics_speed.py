"""CPU seconds of selection and of the full evaluation, and the factor over a statsmodels loop.

The loop is what a careful analyst writes: the same screen (scipy), then ``OLS(...).fit().aic`` of
each candidate in turn, on the same splits. Its whole run would take hours, so that every so many-th
of the 7,000 splits is made (all segments, all three configurations) and the sum is scaled; the
models it chooses are compared with ours, fit by fit. Once with the paper's screen, once without,
where the models grow to the size for which stepwise regression is slow.

Run: PYTHONPATH=.:tests OMP_NUM_THREADS=1 python tests/bench/statistics_speed.py
"""

from __future__ import annotations

import sys
import time

import numpy as np
import statsmodels.api as sm
from oracles.statistics_cohort import SEGMENTS, make_cohort
from oracles.stepwise import dummies
from scipy.stats import spearmanr

from mpss_lib.config import AS_PUBLISHED, Config
from mpss_lib.evaluation import CONFIGURATIONS, evaluate
from mpss_lib.evaluation.conditional import remainder
from mpss_lib.evaluation.design import encode
from mpss_lib.evaluation.permutation import permuted, permuted_remainder
from mpss_lib.evaluation.randomised import transform
from mpss_lib.evaluation.seeds import over_seeds
from mpss_lib.evaluation.splits import draw
from mpss_lib.profiles import evaluation_profiles, rival_of
from mpss_lib.sections import EvaluationSettings
from mpss_lib.selection import steps

STRIDES = {0.3: 61, 1.0: 701}
"""By the screen's p: of the 7 x 50 x 20 splits; prime, so that all segments are met in turn."""


def main() -> None:
    """Print each figure with its target."""
    cohort = make_cohort(1)
    compile_first(cohort)
    for screen_p, stride in STRIDES.items():
        settings = EvaluationSettings(screen_p=screen_p)
        begin = time.process_time()
        splits = draw(428, settings)
        whole = {
            segment: evaluate(
                cohort.radiomics[segment],
                cohort.clinical,
                cohort.scores[segment],
                settings,
                splits=splits,
            )
            for segment in SEGMENTS
        }
        ours = time.process_time() - begin
        what = f"full evaluation, 7 segments x 3 configurations x 50 x 20, screen p < {screen_p:g}"
        say(what, ours, "target 5 s")
        with_statsmodels(cohort, whole, ours, screen_p, stride)
    permutations(cohort)
    seeds(cohort)
    selection()


def compile_first(cohort) -> None:
    """Compile what is timed later."""
    few = EvaluationSettings(n_outer=1, n_inner=1)
    evaluate(cohort.radiomics["MYO"], cohort.clinical, cohort.scores["MYO"], few)


def permutations(cohort) -> None:
    """CPU of 200 permutations of everything, from 20 of one segment in each profile."""
    design = encode({**cohort.radiomics["MYO"], **cohort.clinical})
    total = 0.0
    for profile, own in evaluation_profiles(Config()).items():
        y = transform(cohort.scores["MYO"], own)
        splits, (_, rival) = draw(428, own), rival_of(profile)
        begin = time.process_time()
        permuted(design, 56, y, own, splits, range(20), rival)
        total += on_two_cores(profile, "outcome", begin)
        if profile != AS_PUBLISHED:
            begin = time.process_time()
            left = remainder(cohort.radiomics["MYO"], cohort.clinical, y, own)
            permuted_remainder(left, own, splits, range(20))
            total += on_two_cores(profile, "conditional", begin)
    say("200 permutations of everything, on 2 cores", total, "target 300 s")


def seeds(cohort) -> None:
    """CPU of Fisher's X over 20 seeds of the splits, from those of one segment."""
    design = encode({**cohort.radiomics["MYO"], **cohort.clinical})
    own = evaluation_profiles(Config())[AS_PUBLISHED]
    begin = time.process_time()
    over_seeds(design, 56, cohort.scores["MYO"], own, rival_of(AS_PUBLISHED)[1])
    say("X over 20 seeds, 7 segments, on 2 cores", (time.process_time() - begin) * 7 / 2, "")


def on_two_cores(profile: str, kind: str, begin: float) -> float:
    """Scale 20 deals of one segment to 200 of seven."""
    wall = (time.process_time() - begin) / 20 * 7 * 200 / 2
    say(f"200 permutations, {profile}, {kind}, on 2 cores", wall, "")
    return wall


def with_statsmodels(cohort, whole, ours: float, screen_p: float, stride: int) -> None:
    """Make a sample of the fits with statsmodels, compare the models, scale the time."""
    n_outer, n_inner = whole["MYO"].splits.train.shape[:2]
    chosen = range(0, len(SEGMENTS) * n_outer * n_inner, stride)
    seconds, screening, same, made = 0.0, 0.0, 0, 0
    for number in chosen:
        segment = SEGMENTS[number // (n_outer * n_inner)]
        outer, inner = divmod(number % (n_outer * n_inner), n_inner)
        found = whole[segment]
        train, dev = found.splits.train[outer, inner], found.splits.dev[outer, inner]
        for g, configuration in enumerate(CONFIGURATIONS):
            columns = {
                **(cohort.radiomics[segment] if configuration != "clinical" else {}),
                **(cohort.clinical if configuration != "radiomics" else {}),
            }
            begin = time.process_time()
            kept = plain_screen(columns, cohort.scores[segment], train, screen_p)
            screening += time.process_time() - begin
            terms = plain_fit(columns, kept, cohort.scores[segment], train, dev)
            seconds += time.process_time() - begin
            wanted = np.array(found.design.names, object)[found.train_terms[outer, inner, g]]
            same += set(terms) == set(wanted)
            made += 1
    n_fits = len(SEGMENTS) * n_outer * n_inner * 3
    scale = len(SEGMENTS) * n_outer * n_inner / len(chosen)
    slow = seconds * scale
    say(f"the statsmodels loop, {made} of {n_fits} fits made, scaled", slow, "")
    say("    of it the screen, by scipy", screening * scale, "")
    say("    the same train model", 100.0 * same / made, "", unit="%")
    say("factor", slow / ours, "target 1000", unit="x")


def plain_screen(columns, y, train, screen_p: float) -> list[str]:
    """Names of the columns that go with the outcome on the train rows."""
    kept = []
    for name, values in columns.items():
        ranked = (
            np.unique(values, return_inverse=True)[1] if values.dtype.kind in "OUST" else values
        )
        if np.ptp(ranked[train]) > 0 and spearmanr(ranked[train], y[train]).pvalue < screen_p:
            kept.append(name)
    return kept


def plain_fit(columns, kept, y, train, dev) -> list[str]:
    """Stepwise on train, stepwise on dev from there; returns the train terms."""
    blocks = {name: np.column_stack(dummies(columns[name])) for name in kept}
    terms = plain_stepwise({name: x[train] for name, x in blocks.items()}, y[train], [])
    plain_stepwise({name: x[dev] for name, x in blocks.items()}, y[dev], terms)
    return terms


def plain_stepwise(blocks, y, start) -> list[str]:
    """Add the best term while AIC says so, else remove the worst, until neither."""
    model = list(start)

    def aic(names) -> float:
        x = [np.ones((len(y), 1)), *(blocks[name] for name in names)]
        return float(sm.OLS(y, np.hstack(x)).fit().aic)

    now = aic(model)
    while True:
        added = [(aic([*model, name]) - now, name) for name in blocks if name not in model]
        if added and min(added)[0] <= 0.05:
            change, name = min(added)
            model.append(name)
            now += change
            continue
        removed = [(aic([k for k in model if k != name]) - now, name) for name in model]
        if not removed or min(removed)[0] > -0.2:
            return model
        change, name = min(removed)
        model.remove(name)
        now += change


def selection() -> None:
    """CPU of one block of the selection."""
    block = np.random.default_rng(0).normal(size=(1, 487, 428))
    begin = time.process_time()
    for _ in range(5):
        rho = steps.correlations(steps.standard_ranks(block))
        steps.drop_correlated(rho, [str(k) for k in range(487)], 0.95, "transitive")
    one = (time.process_time() - begin) / 5
    say("selection of one 487 x 428 block", one * 1000, "target 60", "ms")


def say(what: str, value: float, target: str, unit: str = "s") -> None:
    """Print one line."""
    sys.stdout.write(f"{what}: {value:.3g} {unit}" + (f" ({target})\n" if target else "\n"))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
