"""What every DICOM object that the platform writes for others has in common.

Its UIDs follow from its inputs, it holds no time of the clock, and it says what was done to the
identity: equal inputs, equal bytes. Codes that no standard has are of the scheme ``99MPSS``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

if TYPE_CHECKING:
    from pydicom.sr.coding import Code

SCHEME = "99MPSS"
_OF_THE_IDENTITY = (
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
)

_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")


def code(value: str, scheme: str, meaning: str) -> Code:
    """Make a coded concept."""
    from pydicom.sr.coding import Code

    return Code(value, scheme, meaning)


def new_uid(seed: str, what: str) -> str:
    """Name a new object or thing: follows from the inputs, in the 2.25 root."""
    return f"2.25.{int.from_bytes(hashlib.sha256(f'{seed}/{what}'.encode()).digest()[:15])}"


def sign(made: Dataset, source: Dataset, scheme_name: str) -> None:
    """Say what was done to the identity, and whose the codes are; take out the clock.

    Parameters
    ----------
    made : Dataset
        The new object; it is changed.
    source : Dataset
        The de-identified object that it was made from.
    scheme_name : str
        What the codes of ``99MPSS`` in it are of.
    """
    for keyword in _OF_THE_IDENTITY:
        if keyword in source:
            made[keyword] = source[keyword]
    for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
        made.pop(keyword, None)
    for equipment in made.get("ContributingEquipmentSequence", []):
        equipment.pop("ContributionDateTime", None)
    scheme = Dataset()
    scheme.CodingSchemeDesignator = SCHEME
    scheme.CodingSchemeName = scheme_name
    scheme.CodingSchemeResponsibleOrganization = "MPSS platform"
    made.CodingSchemeIdentificationSequence = Sequence([scheme])


def set_moment(made: Dataset, source: Dataset) -> None:
    """Date of the study, as it was shifted, and no time of day; never that of the clock.

    Where the study has none, the next one that its object states; empty where it states none.
    """
    told = (str(source.get(keyword) or "") for keyword in _DATES)
    day = next(filter(None, told), "")
    for keyword in ("ContentDate", "SeriesDate"):
        setattr(made, keyword, day)
    made.ContentTime = made.SeriesTime = "000000"


def name_dimensions(made: Dataset, uid: str) -> None:
    """Give the dimensions of a multi-frame object a UID that is not drawn by chance."""
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
