"""Answers about selection, models, their evaluation and what was found."""

from __future__ import annotations

from mpss_lib.config import CORRECTED
from mpss_lib.evaluation.added_value.by_group import LEAST
from mpss_lib.evaluation.added_value.pooled import EVENTS
from mpss_lib.evaluation.added_value.resampling import RESAMPLES
from mpss_lib.evaluation.checklists.answers import NOT_APPLICABLE, Answer, no, partly, yes
from mpss_lib.evaluation.checklists.facts import Facts
from mpss_lib.evaluation.group_tables import judged_groups

WITHOUT_VALUES = "pooled predictions: run summarise"


def candidates(facts: Facts) -> Answer:
    """Tell the selection, blind to the score."""
    ledger = _ledger(facts)
    if not ledger:
        return no("rows of the selection")
    return yes(f"features left after each step, without the score: {ledger}; all clinical terms")


def _ledger(facts: Facts) -> str:
    rows = [row for row in facts.found.counts if row["profile"] == CORRECTED]
    return ", ".join(f"{row['step'].partition('_')[0]} {row['n_after']}" for row in rows)


def reduction(facts: Facts) -> Answer:
    """Tell the steps of the selection."""
    return candidates(facts)


def redundant(facts: Facts) -> Answer:
    """Step S6."""
    limit = facts.selection.correlation
    if limit >= 1.0:
        return no("a limit of correlation below 1 (selection.correlation)")
    return yes(f"of features with |rho| of at least {limit:g} one is kept")


def robust(facts: Facts) -> Answer:
    """Whether the selection looks at stability."""
    least = facts.selection.min_icc
    if not least:
        return no("a step of the selection by stability (selection.min_icc)")
    if not facts.stability:
        return no("intraclass correlations to choose by: `mpss stability`")
    return yes(f"features with an ICC(1) below {least:g} are left out; {facts.stability}")


def feature_statistics(facts: Facts) -> Answer:
    """Tell of selection and univariate associations."""
    told = f"selection by step: {_ledger(facts)}; {len(facts.found.univariate)} associations"
    if not facts.stability:
        return partly(told, "stability under perturbation: `mpss stability`")
    return yes(f"{told}; {facts.stability}")


def scaling(facts: Facts) -> Answer:
    """Coding and scale."""
    scale = "log(1 + score)" if facts.evaluation.outcome_transform == "log1p" else "the score"
    return yes(
        f"linear terms, categories as dummies, no rescaling of coefficients; the outcome is {scale}"
    )


def partition(facts: Facts) -> Answer:
    """Outer and inner splits."""
    own = facts.evaluation
    return yes(
        f"{own.n_outer} outer splits with {own.test_fraction:.0%} of the patients as test set, in"
        f" each {own.n_inner} splits of the others with {own.dev_fraction:.0%} to choose"
    )


def strict_partition(facts: Facts) -> Answer:
    """Admit that the choice of features has seen those of the test rows."""
    return no(
        "a choice of features inside each training part: it sees the features (never the scores) of"
        " every patient",
        partition(facts).text,
    )


def model(facts: Facts) -> Answer:
    """Stepwise regression and elastic net."""
    own = facts.evaluation
    return yes(
        f"stepwise linear regression by {own.criterion} (enter {own.p_enter:g}, remove"
        f" {own.p_remove:g}), terms screened at p {own.screen_p:g}; elastic net beside it"
    )


def winner(facts: Facts) -> Answer:
    """Rule of the winner."""
    return yes(f"rule {facts.evaluation.winner}, coefficients of {facts.evaluation.final_coef}")


def clusters(facts: Facts) -> Answer:
    """Tell of performance by vendor."""
    makers = {row["manufacturer"] for row in facts.volumes}
    if len(makers) == 1:
        return Answer(NOT_APPLICABLE, "one manufacturer")
    told = f"{len(makers)} manufacturers in the cohort"
    if not any(row["value"] is not None for row in facts.found.held_out):
        return no("performance by scanner: too few patients of a vendor", told)
    return yes(f"{told}; each is held out in turn (evaluation.held_out_vendor)")


def confounders(facts: Facts) -> Answer:
    """Clinical terms stand beside the features; scanners are measured, not modelled."""
    told = "clinical terms compete in the combined model and are taken out by the conditional test"
    if not facts.found.scanners:
        return partly(told, "scanner and reconstruction")
    told += "; what the scanner explains of each feature is told (evaluation.scanner_effect)"
    return partly(told, "scanner and reconstruction in the models")


def measures(facts: Facts) -> Answer:
    """Measures of added value."""
    if not facts.found.added:
        return no(WITHOUT_VALUES)
    return yes(
        "rank correlation, R2, calibration (slope, intercept, curve), areas under the curve, Brier"
        f" score, net benefit, classes; events {', '.join(EVENTS)}"
    )


def calibration(facts: Facts) -> Answer:
    """Calibration of score and probabilities."""
    if not facts.found.calibration:
        return no(WITHOUT_VALUES)
    return yes("curves with intervals, slope and intercept, of the score and of each event")


def uncertainty(facts: Facts) -> Answer:
    """Intervals."""
    if not facts.found.added:
        return no(WITHOUT_VALUES)
    return yes(f"95 % intervals: bootstrap over patients ({RESAMPLES} resamples), DeLong, Wald")


def performance(facts: Facts) -> Answer:
    """Tell of performance with intervals, in everybody and in groups."""
    if not facts.found.added:
        return no(WITHOUT_VALUES)
    told, missing = _groups(facts)
    text = f"{uncertainty(facts).text}; by group: {told or 'none was large enough'}"
    return partly(text, missing) if missing else yes(text)


def comparison(facts: Facts) -> Answer:
    """Paired differences and their tests."""
    if not facts.found.added:
        return no(WITHOUT_VALUES)
    deals = facts.config.evaluation.permutations
    return yes(f"paired differences with intervals, DeLong's test, permutations ({deals} deals)")


def added(facts: Facts) -> Answer:
    """Clinical, radiomic and combined models side by side."""
    if not facts.found.added:
        return no(WITHOUT_VALUES)
    return yes("clinical, radiomic, combined models side by side; differences; a conditional test")


def updating(facts: Facts) -> Answer:
    """No updating."""
    return Answer(NOT_APPLICABLE, "no model was updated")


def applied(facts: Facts) -> Answer:
    """How predictions are made."""
    return yes("each run predicts its test set; a patient's prediction is the mean over these runs")


def imbalance(facts: Facts) -> Answer:
    """Nothing is balanced."""
    return yes(f"none was balanced or weighted; {facts.n_events} of {facts.n} reach 100")


def fairness(facts: Facts) -> Answer:
    """Tell of performance and calibration in groups; nothing else is done for them."""
    told, missing = _groups(facts)
    if not told:
        return no(f"performance and calibration by group: {missing or WITHOUT_VALUES}")
    text = f"performance and calibration by {told}: evaluation.group_performance, report"
    return partly(text, missing) if missing else yes(text)


def _groups(facts: Facts) -> tuple[str, str]:
    """Name the groups that were judged, and what of sex and race is missing."""
    found = judged_groups(facts.found.by_group)
    told = "; ".join(
        f"{grouping} ({', '.join(judged)})" for grouping, (judged, _) in found.items() if judged
    )
    small = [
        f"{grouping} {name}"
        for grouping in ("sex", "race")
        for name in found.get(grouping, ((), ()))[1]
    ]
    return told, f"at least {LEAST} patients of {', '.join(small)}" if small else ""


def output(facts: Facts) -> Answer:
    """Tell what comes out."""
    return yes("a calcium score with its interval, its class (limits 0, 10, 100, 400)")


def testing(facts: Facts) -> Answer:
    """Internal testing."""
    return yes(f"internal: {partition(facts).text}")


def external(facts: Facts) -> Answer:
    """External testing is done elsewhere."""
    return no("patients of another site: `mpss model export`, and `mpss model validate` there")


def simple_model(facts: Facts) -> Answer:
    """Tell that the models are simple."""
    return yes("the models are linear regressions; clinical terms alone are the comparison")


def dimensions(facts: Facts) -> Answer:
    """Patients needed for the candidate columns."""
    want = facts.needed
    told = f"{facts.n} patients, {facts.n_events} events, {facts.n_columns} candidate columns"
    if want is None or want.most > facts.n:
        missing = "events" if want is None else f"{want.most} patients (Riley et al.)"
        return no(missing, told)
    return yes(told)


def explanation(facts: Facts) -> Answer:
    """Coefficients and their terms."""
    if not facts.n_models:
        return no("registered models: run register_model")
    return yes("each model is a sum of named terms: evaluation.model_term has every coefficient")
