"""What a person says of the calcium of a CT: whose a lesion is, what is none, what is missing."""

from __future__ import annotations

from typing import Annotated

import typer

from mpss_lib.cli.application import AsJson, calcium_app, console, show_json, show_table
from mpss_lib.runtime.home import Home

Study = Annotated[str, typer.Argument(help="Key of the study that the CT lies beside.")]
LesionKey = Annotated[
    str, typer.Argument(help="Key of the lesion, as `mpss calcium lesions` has it.")
]
Artery = Annotated[str, typer.Argument(help="LM, LAD, LCX, RCA, left (LM or LAD) or not-coronary.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; no names. At most 500 characters.")]
By = Annotated[str, typer.Option("--by", help="Who says so; by default this account.")]
Ct = Annotated[str, typer.Option("--ct", help="source_key of the CT; by default the calcium CT.")]


@calcium_app.command("lesions")
def calcium_lesions(study_key: Study, ct: Ct = "", as_json: AsJson = False) -> None:
    """List the lesions of a CT: what the algorithm says, and what a person said."""
    from mpss_lib.calcium.correction import corrected_scan

    home = Home.open()
    scan = corrected_scan(home.lake, home.config, study_key, ct)
    rows = [
        {
            "lesion": one.key,
            "counts": one.place,
            "algorithm": one.algorithm_place or "-",
            "probability": one.probability,
            "waits": one.waits,
            "outdated": one.is_outdated,
            "by": "" if one.answer is None else one.answer["corrector"],
            "reason": one.reason if one.answer is None else one.answer["reason"],
            **one.figures,
        }
        for one in scan.lesions
    ]
    if as_json:
        source = {"source_key": scan.source["source_key"], "kind": scan.source["kind"]}
        told = {"algorithm_total": scan.source["total"], "total": scan.total}
        show_json(source | told | {"lesions": rows, "records": list(scan.records)})
        return
    columns = (
        *("lesion", "counts", "algorithm", "waits", "outdated", "by", "score", "first_slice"),
        *("last_slice", "area_mm2", "peak_hu", "x_mm", "y_mm", "z_mm", "reason"),
    )
    show_table(columns, ([_shown(row[name]) for name in columns] for row in rows))
    console.print(f"algorithm {scan.source['total']:.1f} units, as it stands {scan.total:.1f}")


@calcium_app.command("relabel")
def calcium_relabel(
    study_key: Study, lesion: LesionKey, artery: Artery, reason: Reason, by: By = "", ct: Ct = ""
) -> None:
    """Say whose a lesion is, or that it is not coronary."""
    _correct(study_key, "relabel", reason, by, ct, lesion=lesion, place=artery)


@calcium_app.command("remove")
def calcium_remove(
    study_key: Study, lesion: LesionKey, reason: Reason, by: By = "", ct: Ct = ""
) -> None:
    """Say that a lesion is no calcium at all."""
    _correct(study_key, "remove", reason, by, ct, lesion=lesion)


@calcium_app.command("add")
def calcium_add(
    study_key: Study,
    artery: Artery,
    at: Annotated[
        tuple[float, float, float],
        typer.Option("--at", help="Position on the CT: x y z, mm (LPS)."),
    ],
    reason: Reason,
    by: By = "",
    ct: Ct = "",
) -> None:
    """Add the region above the threshold at a position; the engine scores it."""
    _correct(study_key, "add", reason, by, ct, place=artery, at_mm=at)


@calcium_app.command("confirm")
def calcium_confirm(study_key: Study, reason: Reason, by: By = "", ct: Ct = "") -> None:
    """Say that the algorithm is right about every lesion without an answer."""
    _correct(study_key, "confirm", reason, by, ct)


@calcium_app.command("undo")
def calcium_undo(
    study_key: Study,
    reason: Reason,
    lesion: Annotated[str, typer.Argument(help="Key of a lesion; by default all.")] = "",
    by: By = "",
    ct: Ct = "",
) -> None:
    """Take answers back: the algorithm's count again; what was said stays in the records."""
    _correct(study_key, "undo", reason, by, ct, lesion=lesion)


def _correct(
    study_key: str,
    action: str,
    reason: str,
    by: str,
    ct: str,
    *,
    lesion: str = "",
    place: str = "",
    at_mm: tuple[float, float, float] | None = None,
) -> None:
    from mpss_lib.audit.message import account
    from mpss_lib.calcium.correction import Correction, correct, corrected_scan

    home = Home.open()
    said = Correction(action, reason, by or account(), lesion, place, at_mm, ct)
    written = correct(home.lake, home.config, study_key, said)
    scan = corrected_scan(home.lake, home.config, study_key, ct)
    waiting = sum(one.waits for one in scan.lesions)
    console.print(f"{action}: {written.n_rows} lesions; {scan.total:.1f} units, {waiting} wait")
    console.print("next: mpss run warehouse, or the next night shows it")


def _shown(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else ""
    return f"{value:.1f}" if isinstance(value, float) else value
