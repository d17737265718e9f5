"""The validation pack of a site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mpss_lib import config as settings
from mpss_lib.cli.application import app

if TYPE_CHECKING:
    from mpss_lib.papers.validation_pack import PhantomResult


@app.command("validation-pack")
def validation_pack(
    folder: Annotated[Path, typer.Argument(help="A new folder for the pack.")],
    phantoms: Annotated[
        int, typer.Option(min=1, max=500, help="Digital phantoms to segment on this machine.")
    ] = 8,
) -> None:
    """Make a folder that a hospital can file: what was run here, what is quoted, digests.

    Prints the digest of the pack. Exit status 1: something that was run here failed.
    """
    from mpss_lib.papers.validation_pack import make_pack

    made = make_pack(folder, settings.load(), [_segmented(seed) for seed in range(phantoms)])
    typer.echo(f"{made.folder}: SHA-256 of SHA256SUMS {made.digest}")
    if not made.is_sound:
        typer.echo("something that was run here failed: see here/ in the pack", err=True)
    raise typer.Exit(0 if made.is_sound else 1)


def _segmented(seed: int) -> PhantomResult:
    """Segment one phantom and hold it against its truth."""
    from mpss_lib.demo.phantom import PhantomSpec, make_phantom
    from mpss_lib.errors import StudyRejectedError
    from mpss_lib.papers.validation_pack import PhantomResult
    from mpss_lib.segmentation import segment

    made = make_phantom(PhantomSpec(seed=seed, sex="FM"[seed % 2]))
    truth = made.truth["MYO"]
    name = f"seed {seed}"
    try:
        found = segment(made.volume)
    except StudyRejectedError as error:
        return PhantomResult(name, 0.0, truth.volume_ml, 0.0, error.reasons)
    one, other = truth.array, found.masks["MYO"].array
    dice = 2.0 * float((one & other).sum()) / float(one.sum() + other.sum())
    return PhantomResult(name, dice, truth.volume_ml, found.masks["MYO"].volume_ml, found.flags)
