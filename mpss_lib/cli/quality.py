"""Limits of the artefact metrics from a site's own studies; pictures of a study."""

from __future__ import annotations

from typing import Annotated

import typer

from mpss_lib.cli.application import quality_app
from mpss_lib.errors import WrongArgumentError
from mpss_lib.runtime.home import Home


@quality_app.command("limits")
def quality_limits(
    version: Annotated[str, typer.Option(help="Name of the new limits, such as site-1.")],
    keys: Annotated[
        list[str] | None, typer.Argument(help="Study keys; by default the accepted studies.")
    ] = None,
) -> None:
    """Estimate limits from the accepted studies; prints the section for mpss.toml.

    Nothing is changed: paste the section into the settings, then `mpss run quality`. At least 30
    accepted studies are needed.
    """
    from mpss_lib.quality import site_limits

    home = Home.open()
    found = site_limits(home.lake, home.config, version, keys or ())
    typer.echo(found.as_toml(), nl=False)
    typer.echo(f"{found.n_studies} studies, {len(found.limits)} metrics", err=True)


@quality_app.command("pictures")
def quality_pictures(
    study_key: Annotated[str | None, typer.Argument(help="Key of one study.")] = None,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="One page of all that wait for a physician.")
    ] = False,
) -> None:
    """Draw the montage and the polar map of a study, if they are not there; prints the paths."""
    from mpss_lib.quality.gallery import pictures_of
    from mpss_lib.quality.waiting import waiting_page

    if (study_key is None) != waiting:
        raise WrongArgumentError(
            "no study is named" if study_key is None else "a study is named, and --waiting too",
            way_out="mpss quality pictures KEY, or mpss quality pictures --waiting",
        )
    home = Home.open()
    if study_key is None:
        page, n = waiting_page(home.lake, home.config)
        typer.echo(f"{page}: {n} studies")
        return
    for path in pictures_of(study_key, home.lake, home.config).values():
        typer.echo(path)
