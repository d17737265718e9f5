"""Masks in and out: contours of a file, names of its regions, the masks as a DICOM SEG."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mpss_lib.audit.doors import recording
from mpss_lib.cli.application import AsJson, console, segmentation_app, show_json, show_table
from mpss_lib.runtime.home import Home
from mpss_lib.whole_files import write_bytes


@segmentation_app.command("names")
def segmentation_names(
    file: Annotated[Path, typer.Argument(help="RTSTRUCT or SEG file.")], as_json: AsJson = False
) -> None:
    """List the regions of a file and our name of each; what is `-` is not known.

    Add a site's names to [pull] contour_names.
    """
    from mpss_lib.pull.deidentification.contours import named_regions

    found = named_regions(file, Home.open().config)
    if as_json:
        show_json([{"region": one.text, "ours": one.region} for one in found])
        return
    rows = ((one.text, one.region or "-") for one in found)
    show_table(("region of the file", "ours"), rows)


@segmentation_app.command("import")
def segmentation_import(
    file: Annotated[Path, typer.Argument(help="RTSTRUCT or SEG file of this study.")],
    study_key: Annotated[str, typer.Argument(help="The study that it was drawn on.")],
) -> None:
    """De-identify contours of a study and put them on the lake; then run segmentation again.

    Whether they are used is a setting: segmentation.masks_from.
    """
    from mpss_lib.pull.deidentification.contours import import_contours

    home = Home.open()
    imported = import_contours(file, study_key, home.lake, home.config, home.sites)
    console.print(f"{home.lake.relative(imported.path)}: {', '.join(imported.regions)}")
    console.print(f"next: mpss run segmentation {study_key}")


@segmentation_app.command("export")
def segmentation_export(
    study_key: Annotated[str, typer.Argument(help="A study that was segmented.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="DICOM file to write.")],
) -> None:
    """Write the seven analysed masks of a study as a DICOM SEG, pseudonymous as the lake is."""
    from mpss_lib.segmentation.export import export_masks

    home = Home.open()
    studies, things = [study_key], [str(output)]
    with recording("export_masks", home.root, home.config, studies=studies, things=things):
        write_bytes(output, export_masks(study_key, home.lake, home.config))
    console.print(f"{output}: 7 segments. For research use only.")
