"""Calcium out: what a CT was found to hold, as a DICOM report and segmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mpss_lib.audit.doors import recording
from mpss_lib.cli.application import calcium_app, console
from mpss_lib.runtime.home import Home
from mpss_lib.whole_files import write_bytes


@calcium_app.command("export")
def calcium_export(
    study_key: Annotated[str, typer.Argument(help="A study whose calcium CT was scored.")],
    folder: Annotated[Path, typer.Argument(help="Folder to write into.")],
) -> None:
    """Write the calcium of a study's CT as a DICOM SR and SEG, pseudonymous as the lake is.

    What the algorithm found: preliminary, not verified, for research use only.
    """
    from mpss_lib.calcium.export import export_calcium

    home = Home.open()
    studies, things = [study_key], [str(folder)]
    with recording("export_calcium", home.root, home.config, studies=studies, things=things):
        made = export_calcium(study_key, home.lake, home.config)
        for name, content in made.files.items():
            write_bytes(folder / name, content)
    console.print(
        f"{folder}: {', '.join(made.files)}; score {made.score:.1f}, {made.n_lesions} lesions,"
        f" of which a person should look at {made.n_waiting}."
        " Preliminary. For research use only."
    )
