"""What is written to the audit log, in the words of DICOM PS3.15 A.5 (and RFC 3881).

An event has an EventID of DICOM (table A.5-1, CID 400) and an EventTypeCode of ours that says which
door it was. Objects are named by pseudonymous keys: no message holds a name, a PatientID, an
accession number, an original UID or a true date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OURS = "99MPSS"
"""Designator of our own codes (PS3.16 section 8: 99 and letters are private)."""


@dataclass(frozen=True)
class Code:
    """A coded value."""

    value: str
    meaning: str
    system: str = "DCM"

    def as_dict(self) -> dict[str, str]:
        """Attributes as PS3.15 A.5.1 names them."""
        return {
            "csd-code": self.value,
            "codeSystemName": self.system,
            "originalText": self.meaning,
        }


@dataclass(frozen=True)
class Kind:
    """A kind of event: its EventID, and EventActionCode (C, R, U, D, E)."""

    event: Code
    action: str
    means: str


APPLICATION = Code("110100", "Application Activity")
LOG_USED = Code("110101", "Audit Log Used")
ACCESSED = Code("110103", "DICOM Instances Accessed")
TRANSFERRED = Code("110104", "DICOM Instances Transferred")
DELETED = Code("110105", "DICOM Study Deleted")
EXPORT = Code("110106", "Export")
IMPORT = Code("110107", "Import")
PATIENT = Code("110110", "Patient Record")
QUERY = Code("110112", "Query")
ALERT = Code("110113", "Security Alert")
AUTHENTICATION = Code("110114", "User Authentication")

KINDS: Mapping[str, Kind] = {
    "find": Kind(QUERY, "E", "the archive was asked for studies"),
    "reconcile": Kind(QUERY, "E", "the archive's lists were compared with the lake"),
    "pull": Kind(TRANSFERRED, "C", "studies were fetched, or looked at whether they must be"),
    "companions": Kind(TRANSFERRED, "C", "CTs and reports beside studies were asked for"),
    "import_registry": Kind(IMPORT, "C", "rows of the clinical registry were read"),
    "import_contours": Kind(IMPORT, "C", "contours from a file were put beside a study"),
    "lookup": Kind(PATIENT, "R", "somebody read in the vault who a study is"),
    "question": Kind(QUERY, "E", "somebody asked the published snapshot, on the page SQL"),
    "review": Kind(ACCESSED, "U", "somebody decided about a study"),
    "export_results": Kind(EXPORT, "R", "predictions went to the results database"),
    "export_omop": Kind(EXPORT, "R", "OMOP's tables went into files"),
    "export_model": Kind(EXPORT, "R", "a registered model went into a file"),
    "export_masks": Kind(EXPORT, "R", "masks of a study went into a file"),
    "export_calcium": Kind(EXPORT, "R", "calcium of a study's CT went into files"),
    "backup": Kind(EXPORT, "R", "the home, or its vault, was copied"),
    "restore": Kind(IMPORT, "C", "the home was brought back from a backup"),
    "upgrade": Kind(APPLICATION, "E", "the home was brought to this version"),
    "rollback": Kind(IMPORT, "C", "an upgrade was taken back"),
    "purge": Kind(DELETED, "D", "a study or a patient was taken out"),
    "pacs_stop": Kind(APPLICATION, "E", "somebody stopped all traffic with the archives"),
    "pacs_start": Kind(APPLICATION, "E", "somebody allowed it again"),
    "login": Kind(AUTHENTICATION, "E", "somebody logged in to the UI, or was refused"),
    "account": Kind(ALERT, "E", "an account was made or changed by the command line"),
    "audit_read": Kind(LOG_USED, "R", "somebody listed this log"),
    "audit_mended": Kind(ALERT, "E", "a line that a kill had torn was set aside"),
}
"""Our word for each kind of event, its EventTypeCode."""

SUCCESS, MINOR, SERIOUS, MAJOR = "0", "4", "8", "12"
"""EventOutcomeIndicator (RFC 3881 5.1.4)."""

APPLICATION_ROLE = Code("110150", "Application")
DESTINATION_ROLE = Code("110152", "Destination")
SOURCE_ROLE = Code("110153", "Source")

STUDY_KEY = Code("study_key", "pseudonymous key of a study", OURS)
OTHER_OBJECT = Code("object", "what the event was about", OURS)
