"""A model file as one DuckDB query over the published snapshot: its predictions, nothing else.

A study that the snapshot's home trained the model with is not predicted: all formulas together
would tell it what they have seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpss_lib.model_files.content import Column, Formula, ModelFile
from mpss_lib.publication.predict import MAX_LOG
from mpss_lib.quoting import sql_name, sql_text
from mpss_lib.study_inputs import UNKNOWN

TRAINING = "training_study"
"""Reason of a study that the model was made with."""

_QUERY = """\
-- {what} (Agatston). Research use only.
with study as (
    select
        predictable.study_key,
        training.study_key is not null as is_training,
        radiomics.study_key is not null as has_features,
        clinical.study_key is not null as has_clinical,
        {scanner} as scanner,
{terms}
    from core.predictable as predictable
    left join feature.radiomics as radiomics
        on predictable.study_key = radiomics.study_key
        and radiomics.segment = {segment}
        and radiomics.bins = {bins}
    left join core.clinical as clinical
        on predictable.study_key = clinical.study_key
    left join core.study as acquired
        on predictable.study_key = acquired.study_key
    left join raw.cohort_member as training
        on predictable.study_key = training.study_key
        and training.cohort_hash = {cohort}
    where predictable.is_predictable
),
judged as (
    select
        *,
        case
{cases}
            else ''
        end as reason,
    from study
),
formulas as (
    select
        study_key,
        reason,
        {forms} as forms,
    from judged
)
select
    study_key,
    case when reason = '' then {score} end as prediction,
    reason,
from formulas
order by study_key
"""


def prediction_sql(model: ModelFile) -> str:
    """Give the query: one row for each study that may be predicted.

    Returns
    -------
    str
        Columns ``study_key``, ``prediction`` (a score; null where there is none) and ``reason``
        (why there is none, else ``''``).
    """
    cases = "\n".join(
        f"            when {when} then {sql_text(then)}" for when, then in _reasons(model)
    )
    return _QUERY.format(
        what=f"{model.profile}, {model.segment}, {model.configuration}: {model.outcome.column}",
        terms="\n".join(
            f"        {_source(model, term)} as {sql_name(term)},"
            for term in dict.fromkeys([*_used_terms(model), *model.covariates])
        ),
        scanner=scanner_sql("acquired"),
        segment=sql_text(model.segment),
        bins=model.bins,
        cohort=sql_text(model.cohort.cohort_hash),
        cases=cases,
        forms=_by_scanner(model),
        score=_score(model),
    )


def scanner_sql(study: str) -> str:
    """Name of a study's scanner from a relation with its manufacturer and model."""
    parts = (
        f"coalesce(nullif(trim({study}.{name}), ''), {sql_text(UNKNOWN)})"
        for name in ("manufacturer", "scanner_model")
    )
    return " || ' ' || ".join(parts)


def _used_terms(model: ModelFile) -> list[str]:
    """Terms of the columns that have a coefficient, each once, in the order of the columns."""
    return list(dict.fromkeys(model.columns[k].term for k in model.used))


def _source(model: ModelFile, term: str) -> str:
    found = model.term(term)
    table = "radiomics" if found.source == "feature" else "clinical"
    kind = "varchar" if found.kind == "category" else "double"
    return f"{table}.{sql_name(term)}::{kind}"


def _reasons(model: ModelFile) -> list[tuple[str, str]]:
    """Conditions under which there is no prediction, in the order of publication."""
    found = [("is_training", TRAINING)]
    if model.configuration != "clinical":
        found.append(("not has_features", "no_features"))
    if model.configuration != "radiomics":
        found.append(("not has_clinical", "no_clinical_row"))
    for name in _used_terms(model):
        found += _lost(model, name)
    known = ", ".join(sql_text(one.scanner) for one in model.scanners)
    for name in model.covariates:
        lost = _lost(model, name)
        found += [(f"scanner in ({known}) and ({when})", then) for when, then in lost]
    return found


def _lost(model: ModelFile, name: str) -> list[tuple[str, str]]:
    """Conditions under which a term has no value that the model knows."""
    term, column = model.term(name), sql_name(name)
    is_lost = f"{column} is null" if term.kind == "category" else (
        f"not coalesce(isfinite({column}), false)"
    )  # fmt: skip
    why = "undefined_feature" if term.source == "feature" else "missing"
    found = [(is_lost, f"{why}:{name}")]
    if term.kind == "category":
        known = ", ".join(map(sql_text, term.levels))
        found.append((f"{column} not in ({known})", f"unknown_category:{name}"))
    return found


def _by_scanner(model: ModelFile) -> str:
    """Give the list of the linear forms: those of the study's scanner, or the plain ones."""
    plain = _forms(model, model.formulas)
    if not model.scanners:
        return plain
    cases = "".join(
        f"            when {sql_text(one.scanner)} then {_forms(model, one.formulas)}\n"
        for one in model.scanners
    )
    return f"case scanner\n{cases}            else {plain}\n        end"


def _forms(model: ModelFile, formulas: Sequence[Formula]) -> str:
    """Write a list of linear forms as sums."""
    columns = [_value(column) for column in model.columns]
    sums = (
        " + ".join(
            [
                _number(formula.intercept),
                *(
                    f"{_number(b)} * {value}"
                    for b, value in zip(formula.coefficients, columns, strict=True)
                    if b != 0.0
                ),
            ]
        )
        for formula in formulas
    )
    return "[\n" + ",\n".join(f"            {one}" for one in sums) + "\n        ]"


def _value(column: Column) -> str:
    name = sql_name(column.term)
    if column.level:
        return f"({name} = {sql_text(column.level)})::double"
    return name


def _score(model: ModelFile) -> str:
    """Back to the scale of the score, as publication does it."""
    is_log = model.outcome.transform == "log1p"
    if model.average == "linear":
        mean = "list_avg(forms)"
        return f"greatest(exp(least({mean}, {MAX_LOG!r}e0)) - 1, 0)" if is_log else mean
    return "list_avg([exp(form) - 1 for form in forms])" if is_log else "list_avg(forms)"


def _number(value: float) -> str:
    """Write a double: without an exponent DuckDB would read a decimal of other digits."""
    text = repr(value)
    return f"({text})" if "e" in text else f"({text}e0)"
