"""Answers about images, masks and features."""

from __future__ import annotations

from mpss_lib.evaluation.checklists.answers import NOT_APPLICABLE, Answer, author, no, partly, yes
from mpss_lib.evaluation.checklists.facts import Facts
from mpss_lib.sections import SEGMENTS


def region(facts: Facts) -> Answer:
    """Name the analysed regions."""
    return yes(f"left ventricle: {', '.join(SEGMENTS)}")


def protocol(facts: Facts) -> Answer:
    """Tell what headers say of the protocol."""
    if not facts.volumes:
        return no("rows of table volume")
    told = "; ".join(
        (
            facts.values(facts.volumes, "manufacturer", "model"),
            facts.values(facts.volumes, "reconstruction"),
            facts.values(facts.volumes, "attenuation"),
        )
    )
    return partly(told, "tracer, activity, stress agent, time until the scan, duration")


def scanners(facts: Facts) -> Answer:
    """Vendors and models."""
    return _of_volumes(facts, "manufacturer", "model")


def modality(facts: Facts) -> Answer:
    """Nothing else is read."""
    return yes("SPECT of the myocardium (DICOM NM)")


def gating(facts: Facts) -> Answer:
    """Gated studies are summed or refused."""
    gated = sum((row["n_time_slots"] or 1) > 1 for row in facts.volumes)
    way = "their gates summed" if facts.config.intake.gated == "sum" else "which are refused"
    return yes(f"static; {gated} of {len(facts.volumes)} studies are gated, {way}")


def spacing(facts: Facts) -> Answer:
    """Voxel sizes of the chosen volumes, dz x dy x dx."""
    sizes = {
        " x ".join(f"{row[name]:.2f}" for name in ("dz_mm", "dy_mm", "dx_mm"))
        for row in facts.volumes
        if None not in (row["dz_mm"], row["dy_mm"], row["dx_mm"])
    }
    if not sizes:
        return no("voxel sizes in table volume")
    return yes(f"voxels (dz x dy x dx) of {', '.join(sorted(sizes))} mm")


def reconstruction(facts: Facts) -> Answer:
    """Reconstruction by the headers."""
    return _of_volumes(facts, "reconstruction")


def attenuation(facts: Facts) -> Answer:
    """Attenuation correction by the headers."""
    return _of_volumes(facts, "attenuation")


def _of_volumes(facts: Facts, *columns: str) -> Answer:
    if not facts.volumes:
        return no("rows of table volume")
    unknown = sum(
        all(row[name] in (None, "", "unknown") for name in columns) for row in facts.volumes
    )
    told = facts.values(facts.volumes, *columns)
    return partly(told, f"what {unknown} headers do not state") if unknown else yes(told)


def no_processing(facts: Facts) -> Answer:
    """Nothing is done to the image beyond what the sheet names."""
    return yes("none: counts as they were reconstructed")


def _given(facts: Facts) -> int:
    return sum(row["masks_from"] == "contours" for row in facts.masks)


def segmentation(facts: Facts) -> Answer:
    """Who or what drew the masks."""
    if not facts.masks:
        return no("rows of table segmentation")
    return yes(
        f"setting masks_from {facts.config.segmentation.masks_from}:"
        f" {facts.values(facts.masks, 'masks_from')}; 7 regions of the left ventricle"
    )


def mask_settings(facts: Facts) -> Answer:
    """Tell the settings of the automatic segmentation."""
    own = facts.config.segmentation
    return yes(f"wall {own.wall_mode}, {own.wall_mm:g} mm; seed {own.seed}; no other setting")


def operators(facts: Facts) -> Answer:
    """Nobody drew, or it is for the author to say who."""
    if given := _given(facts):
        return author(f"{given} studies have given contours: who drew them is for the author.")
    return Answer(NOT_APPLICABLE, "no mask was drawn by hand")


def readers(facts: Facts) -> Answer:
    """Judgement in predictors: only where masks were drawn."""
    return operators(facts)


def rasterised(facts: Facts) -> Answer:
    """From contours to voxels."""
    if not _given(facts):
        return Answer(NOT_APPLICABLE, "masks are made on the voxels")
    return yes("centres of voxels by the even-odd rule, signed distances between planes")


def one_tool(facts: Facts) -> Answer:
    """One tool for everybody, or not."""
    if not facts.masks:
        return no("rows of table segmentation")
    if 0 < _given(facts) < len(facts.masks):
        return no(
            "masks of one kind: some are given, some automatic",
            facts.values(facts.masks, "masks_from"),
        )
    if _given(facts):
        return author("Given contours: whether one reader drew them is for the author.")
    return yes("one automatic tool for every study")


def mask_agreement(facts: Facts) -> Answer:
    """Comparison of automatic and given masks in this cohort."""
    if facts.n_compared == 0:
        return no("contours of experts to compare with: no study of this cohort has any")
    told = f"{facts.n_compared} of {facts.n} studies (quality.agreement)"
    return yes(told) if facts.n_compared == facts.n else partly(told, "contours of the others")


def mask_reliability(facts: Facts) -> Answer:
    """Features under other walls and base planes, or agreement with given contours."""
    if facts.stability:
        return yes(f"features under changes of wall and base plane among others: {facts.stability}")
    return mask_agreement(facts)


def one_image(facts: Facts) -> Answer:
    """One kind of image."""
    return yes("one modality: the stress perfusion volume")


def extraction(facts: Facts) -> Answer:
    """Name the engine."""
    address = facts.config.address("radiomics")
    return yes(f"own engine, version {address.engine}, settings {address.config}; `mpss verify`")


def software(facts: Facts) -> Answer:
    """Engine of the extraction."""
    return extraction(facts)


def number(facts: Facts) -> Answer:
    """Features extracted, at each number of grey levels."""
    bins = facts.config.radiomics.bins
    return yes(f"{facts.n_features} features at {len(bins)} numbers of grey levels, 7 regions")


def feature_robustness(facts: Facts) -> Answer:
    """Stability of the features under perturbations of the image."""
    if told := facts.stability:
        return yes(told)
    return no("intraclass correlations of the features under perturbation: `mpss stability`")


def from_sheet(facts: Facts, numbers: str) -> Answer:
    """Answer with items of the extraction's reporting sheet."""
    if not facts.sheet:
        return no("the reporting sheet of the extraction on the lake: run radiomics")
    told = [text for one in numbers.split() for text in facts.sheet.get(one, ())]
    if not told:
        return Answer(NOT_APPLICABLE, "the image is not interpolated")
    return yes("; ".join(told))
