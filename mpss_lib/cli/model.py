"""Registered models as files: taken out, judged on this home's cohort, written as SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mpss_lib.audit.doors import recording
from mpss_lib.cli.application import AsJson, console, model_app, show_json, show_table
from mpss_lib.runtime.home import Home
from mpss_lib.whole_files import write_bytes

if TYPE_CHECKING:
    from mpss_lib.model_files.validation import Validation
    from mpss_lib.prediction_quality import Estimate

ModelPath = Annotated[Path, typer.Argument(help="A file that `mpss model export` wrote.")]


@model_app.command("export")
def model_export(
    segment: Annotated[str, typer.Argument(help="MYO, LAD3, ...")],
    configuration: Annotated[str, typer.Argument(help="radiomics, clinical or combined.")],
    profile: Annotated[str, typer.Option(help="Whose model; see evaluation.model.")] = (
        "elastic_net"
    ),
    output: Annotated[Path | None, typer.Option(help="File; named after the model.")] = None,
) -> None:
    """Write the registered model of a segment and configuration as a JSON file, with no patient."""
    from mpss_lib.model_files import content
    from mpss_lib.model_files.export import export_model

    home = Home.open()
    path = output or Path(f"model-{segment}-{configuration}-{profile}.json")
    with recording("export_model", home.root, home.config, things=[str(path)]):
        model = export_model(segment, configuration, profile, home.lake, home.config)
        content.write(model, path)
    told = f"{len(model.formulas)} formulas, {len(model.terms)} terms, {model.cohort.n} patients"
    console.print(f"{path}: {told}", soft_wrap=True)
    if model.scanners:
        known = ", ".join(one.scanner for one in model.scanners)
        console.print(
            f"features are harmonised for {known}; those of another scanner are taken as they are",
            soft_wrap=True,
        )


@model_app.command("sql")
def model_sql(file: ModelPath) -> None:
    """Print one DuckDB query that gives the model's predictions over a published snapshot."""
    from mpss_lib.model_files import content
    from mpss_lib.model_files.as_sql import prediction_sql

    typer.echo(prediction_sql(content.read(file)), nl=False)


@model_app.command("validate")
def model_validate(
    file: ModelPath,
    output: Annotated[Path | None, typer.Option(help="JSON; beside the file by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge a model on the cohort of this home: calibration, discrimination, refit, case mix.

    Refuses a file whose features are made otherwise. Patients that it was made with are left out.
    """
    from mpss_lib.model_files import content
    from mpss_lib.model_files.validation import validate

    home = Home.open()
    found = validate(content.read(file), home.lake, home.config)
    path = output or file.with_suffix(".validation.json")
    write_bytes(path, (json.dumps(found.as_json(), indent=1, allow_nan=False) + "\n").encode())
    if as_json:
        show_json(found.as_json())
        return
    _show(found)
    console.print(f"written: {path}", soft_wrap=True)


def _show(found: Validation) -> None:
    model = found.model
    left = ", ".join(f"{reason} {n}" for reason, n in found.left_out.items()) or "nobody"
    console.print(
        f"{model.profile}, {model.segment}, {model.configuration}: {found.n} of {found.n_cohort}"
        f" patients judged; left out: {left}",
        soft_wrap=True,
    )
    by = ", ".join(f"{scanner} {n}" for scanner, n in found.scanners.items()) or "not harmonised"
    console.print(
        f"mean score: observed {found.observed_mean:.1f}, predicted {found.predicted_mean:.1f};"
        f" features by scanner: {by}",
        soft_wrap=True,
    )
    columns = ("figure", "value", "95 % interval")
    scale = "log(1 + score)" if model.outcome.transform == "log1p" else "score"
    show_table(columns, _estimates(found.calibration), title=f"Calibration, scale {scale}")
    show_table(columns, _estimates(found.discrimination), title="Discrimination")
    show_table(
        ("refit of", "intercept", "slope", "then in the large", "slope", "RMSE"),
        (
            (name, *(f"{value:.3g}" for value in vars(one).values()))
            for name, one in found.refits.items()
        ),
        title="Refit here; what comes after is of patients that the refit has not seen",
    )
    _show_case_mix(found)


def _show_case_mix(found: Validation) -> None:
    cohort = found.model.cohort
    show_table(
        ("term", "level", "there", "here", "std. difference", "missing"),
        (
            (one.term, one.level, *(_number(x) for x in (one.there, one.here, one.smd)),
             one.n_missing)
            for one in found.differences
        ),
        title="Case mix: mean, or share of the level",
    )  # fmt: skip
    console.print(
        f"prediction: mean {cohort.linear_mean:.3g} there, {found.linear[0]:.3g} here;"
        f" SD {cohort.linear_sd:.3g} there, {found.linear[1]:.3g} here;"
        f" membership AUC {_number(found.membership)} (.5: nobody can tell the cohorts apart)",
        soft_wrap=True,
    )


def _estimates(found: Mapping[str, Estimate]) -> list[tuple[str, str, str]]:
    return [
        (
            name.replace("_", " "),
            _number(one.value),
            f"{one.low:.3f} to {one.high:.3f}" if one.low == one.low else "-",
        )
        for name, one in found.items()
    ]


def _number(value: float) -> str:
    return f"{value:.3f}" if value == value else "-"
