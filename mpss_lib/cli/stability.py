"""Stability of features under perturbation of the image."""

from __future__ import annotations

from typing import Annotated

import typer

from mpss_lib.cli.application import AsJson, Force, app, console, errors, show_json, show_table
from mpss_lib.runtime.home import Home

N_SHOWN = 10


@app.command()
def stability(
    cohort: Annotated[str, typer.Argument(help="A frozen cohort; by default today's.")] = "",
    bins: Annotated[int, typer.Option(help="Grey level of the features that are listed.")] = 64,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Measure how stable each feature is under perturbation; goes on where it was stopped."""
    from mpss_lib.steps import measure_stability, members_of
    from mpss_lib.warehouse.stage import freeze_cohort

    home = Home.open()
    lake, config = home.lake, home.config
    cohort = cohort or freeze_cohort(lake, config)
    total, seen = len(members_of(cohort, lake, config)), iter(range(1, 1 << 30))
    answer = measure_stability(
        *(cohort, lake, config, home.sites),
        force=force,
        progress=lambda key, status: typer.echo(
            f"{next(seen)} of {total}: {key} {status}", err=as_json
        ),
    )
    if not answer["is_measured"]:
        (errors if as_json else console).print(
            f"{answer['n_studies']} studies were measured: too few to say anything"
        )
        raise typer.Exit(1)
    rows = lake.rows("feature_stability", config.address("stability"), cohort)
    if as_json:
        show_json({"cohort": cohort, **answer, "features": rows})
        return
    _show(rows, bins)
    console.print(f"picture: {answer['picture']} (below the lake)", soft_wrap=True)
    console.print(
        "features are chosen by it at the next `mpss run selection` (profile corrected)",
        soft_wrap=True,
    )


def _show(rows: list[dict[str, object]], bins: int) -> None:
    """Print how many features are stable at each level, and the most and least stable ones."""
    from mpss_lib.stable_features import BESIDE, EVERY, GOOD_ICC, middle_by_level, ranking

    levels, beside = middle_by_level(rows), middle_by_level(rows, EVERY, BESIDE)
    counts = [
        (b, *(sum(x >= GOOD_ICC for x in icc[b].values()) for icc in (levels, beside)))
        for b in sorted(levels)
    ]
    columns = ("grey levels", "by ICC(3,1)", "by ICC(1)")
    title = f"Features with an ICC of {GOOD_ICC} or more, of {len(next(iter(levels.values())))}"
    show_table(columns, counts, title=title, numbers=columns)
    found = ranking(rows, bins)
    for title, part in (("most", found[:N_SHOWN]), ("least", found[: -N_SHOWN - 1 : -1])):
        shown = [(name, f"{icc:.3f}", f"{beside[bins][name]:.3f}") for name, icc in part]
        columns = ("feature", "ICC(3,1)", "ICC(1)")
        show_table(columns, shown, title=f"The {title} stable at {bins}", numbers=columns[1:])
