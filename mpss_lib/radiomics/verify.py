"""Does this installation compute what the standard says? The IBSI digital phantom, by family."""

from __future__ import annotations

from dataclasses import dataclass

from mpss_lib.radiomics.catalogue import BY_NAME, FAMILIES, names_of
from mpss_lib.radiomics.discretise import AsIs
from mpss_lib.radiomics.extraction import extract
from mpss_lib.radiomics.reference import PHANTOM_REFERENCE, SPACING_MM, digital_phantom
from mpss_lib.radiomics.settings import Settings


@dataclass(frozen=True)
class FamilyResult:
    """How one family compares with the published values.

    Parameters
    ----------
    family, family_code : str
        Short name and IBSI identifier.
    n_matched, n_missed, n_without : int
        Features within tolerance, outside it, and without a published value.
    missed : tuple of str
        "name: value, published value" of each feature outside.
    without : tuple of str
        Names of the features without a published value.
    """

    family: str
    family_code: str
    n_matched: int
    n_missed: int
    n_without: int
    missed: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether no feature is outside its tolerance."""
        return self.n_missed == 0


def verify() -> list[FamilyResult]:
    """Compute the digital phantom and compare with its 482 published values, family by family."""
    image, mask = digital_phantom()
    values = extract(image, mask, SPACING_MM, Settings(discretisation=AsIs(), ivh=AsIs()))
    return [_compare(family, values) for family in FAMILIES]


def _compare(family: str, values: dict[str, float]) -> FamilyResult:
    names = names_of(family)
    published = [name for name in names if name in PHANTOM_REFERENCE]
    without = tuple(name for name in names if name not in PHANTOM_REFERENCE)
    outside = tuple(
        f"{name}: {values[name]:.6g}, published {PHANTOM_REFERENCE[name].value:g}"
        f" +- {PHANTOM_REFERENCE[name].tolerance:g}"
        for name in published
        if not PHANTOM_REFERENCE[name].is_matched_by(values[name])
    )
    return FamilyResult(
        family,
        BY_NAME[names[0]].family_code,
        n_matched=len(published) - len(outside),
        n_missed=len(outside),
        n_without=len(without),
        missed=outside,
        without=without,
    )
