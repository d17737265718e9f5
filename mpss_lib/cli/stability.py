"""Stability of features under perturbation of the image."""

from __future__ import annotations

from typing import Annotated

import typer

from mpss_lib.cli.application import Force, app, console, show_table
from mpss_lib.runtime.home import Home

N_SHOWN = 10


@app.command()
def stability(
    cohort: Annotated[str, typer.Argument(help="A frozen cohort; by default today's.")] = "",
    bins: Annotated[int, typer.Option(help="Grey level of the features that are listed.")] = 64,
    force: Force = False,
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
        progress=lambda key, status: typer.echo(f"{next(seen)} of {total}: {key} {status}"),
    )
    if not answer["is_measured"]:
        console.print(f"{answer['n_studies']} studies were measured: too few to say anything")
        raise typer.Exit(1)
    _show(lake.rows("feature_stability", config.address("stability"), cohort), bins)
    console.print(f"picture: {answer['picture']} (below the lake)", soft_wrap=True)
    console.print(
        "features are chosen by it at the next `mpss run selection` (profile corrected)",
        soft_wrap=True,
    )


def _show(rows: list[dict[str, object]], bins: int) -> None:
    """Print how many features are stable at each level, and the most and least stable ones."""
    from mpss_lib.stable_features import GOOD_ICC, middle_by_level, ranking

    levels = middle_by_level(rows)
    counts = [
        (b, sum(icc >= GOOD_ICC for icc in by_name.values()), len(by_name))
        for b, by_name in sorted(levels.items())
    ]
    columns = ("grey levels", f"ICC >= {GOOD_ICC}", "of")
    show_table(columns, counts, title="Stable features", numbers=columns)
    found = ranking(rows, bins)
    for title, part in (("most", found[:N_SHOWN]), ("least", found[: -N_SHOWN - 1 : -1])):
        shown = [(name, f"{icc:.3f}") for name, icc in part]
        show_table(
            ("feature", "ICC(1)"), shown, title=f"The {title} stable at {bins}", numbers={"ICC(1)"}
        )
