"""What codes and words of a structured report mean: which figure, of which artery.

Codes of DICOM (PS3.16 CID 6140, 6142, 3015) and SNOMED in its three spellings (SRT, SNM3, SCT);
private codes (99...) and free texts by their words, in the languages of those who write them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ARTERIES = ("LM", "LAD", "LCX", "RCA")
TOTAL, PRIOR, NOT_CORONARY, PDA = "total", "prior", "not coronary", "PDA"
BRANCH = "branch"
"""What is of a coronary artery and of none of the four alone: a branch, a graft, the left tree."""
SCORE, VOLUME, MASS = "score", "volume", "mass"
OTHER_FIGURE = "other figure"
SNOMED = ("SCT", "SRT", "SNM3", "99SDM")


@dataclass(frozen=True)
class Code:
    """A coded concept: value, scheme, meaning; all empty where there is none."""

    value: str = ""
    scheme: str = ""
    meaning: str = ""

    @property
    def is_named(self) -> bool:
        """Whether it says anything."""
        return bool(self.value or self.meaning)


_FIGURE_CODES: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("DCM", "112058"): SCORE,
        ("SCT", "450360000"): SCORE,
        ("DCM", "112055"): SCORE,  # Agatston scoring method
        ("DCM", "122660"): VOLUME,
        ("DCM", "112056"): VOLUME,
        ("DCM", "112197"): VOLUME,
        ("DCM", "122661"): MASS,
        ("DCM", "112057"): MASS,
        ("DCM", "112199"): MASS,
        ("DCM", "122657"): OTHER_FIGURE,  # thresholds, calibration
        ("DCM", "122658"): OTHER_FIGURE,
        ("DCM", "122659"): OTHER_FIGURE,
    }
)
CALCIUM_TITLES = frozenset({("DCM", "122603"), ("SCT", "426005005")})
"""Concepts of containers in which a score is one of calcium."""
METHODS = frozenset({("DCM", "112055"), ("DCM", "112056"), ("DCM", "112057")})

_SITE_CODES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("3227004", "T-43107", "1256091001", "76862008"), "LM"),
        **dict.fromkeys(("59438005", "T-43110"), "LAD"),
        **dict.fromkeys(("57396003", "T-43120"), "LCX"),
        **dict.fromkeys(("13647002", "T-43200"), "RCA"),
        **dict.fromkeys(("53655008", "T-43210"), PDA),
        **dict.fromkeys(("41801008", "T-43000"), TOTAL),
        **dict.fromkeys(
            ("50018008", "T-43100", "244252004", "T-43003", "264293000", "T-41065"), BRANCH
        ),
        **dict.fromkeys(
            ("34202007", "T-35400", "15825003", "T-42000", "91134007", "T-35300", "54247002"),
            NOT_CORONARY,
        ),
    }
)
_SEGMENT_CODES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("68787002", "T-43111", "91748002", "T-43115", "36672000", "T-43112", "91750005",
             "T-43117", "91751009", "T-43118", "91752002", "T-43119"), "LAD"),
        **dict.fromkeys(
            ("52433000", "T-43121", "91753007", "T-43127", "6511003", "T-43122", "91754001",
             "T-43128", "91755000", "T-43129", "91756004", "T-4312A"), "LCX"),
        **dict.fromkeys(
            ("91083009", "T-43201", "450960006", "T-D6515", "41879009", "T-43202", "17269004",
             "T-43211"), "RCA"),
    }
)  # fmt: skip


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Z0-9])(?:{'|'.join(words)})(?![A-Z0-9])")


_SITE_WORDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (PRIOR, _words("PRIOR", "PREVIOUS", "LAST EXAM", "VORBEFUND", "VORHERIGE[RS]?", "ANTERIEUR",
                   "PRECEDENTE?", "PREVIO", "VORIGE?")),
    (NOT_CORONARY, _words("AORT[A-Z]*", "VALV[A-Z]*", "MITRAL[A-Z]*", "[A-Z]*KLAPPE[N]?", "ANNULUS",
                          "PERICARD[A-Z]*", "THORACIC", "BREAST")),
    ("LM", _words("LEFT MAIN", "LM", "LMCA", "LMA", "LMS", "HAUPTSTAMM", "LINKER HAUPTSTAMM",
                  "TRONC COMMUN[A-Z ]*", "TRONCO COMUNE?", "TRONCO PRINCIPAL[A-Z]*", "HOOFDSTAM")),
    (BRANCH, _words("RAMUS INTERMED[A-Z]*", "INTERMEDI[A-Z]*", "DIAGONAL[A-Z]*",
                    "MARGINAL[A-Z]*", "GRAFTS?", "BYPASS", "STENT[A-Z]*")),
    (PDA, _words("PDA", "POSTERIOR DESCENDING", "INTERVENTRICULARIS POSTERIOR",
                  "RIVP", "IVP", "RIP")),
    ("LAD", _words("LAD", "LADCA", "RIVA", "IVA", "ANTERIOR DESCENDING[A-Z ]*",
                   "D[EI]SCENDENTE ANTERIORE?", "(?:INTERVENTRICULAIRE|DESCENDANTE) ANTERIEURE",
                   "INTERVENTRICULARIS ANTERIOR")),
    ("LCX", _words("LCX", "CX", "RCX", "LCFX", "LCIRC", "CIRC", "CIRCUMFLEX[A-Z]*",
                   "ZIRKUMFLEX[A-Z]*", "CIRCONFLEXE", "CIRCONFLESSA", "CIRCUNFLE[JX]A")),
    ("RCA", _words("RCA", "ACD", "RIGHT CORONARY[A-Z ]*", "RECHTE KORONAR[A-Z]*",
                   "RECHTE KRANZ[A-Z]*", "CORONAIRE DROITE", "CORONARI[AC]A? DESTRA",
                   "CORONARIA DERECHA", "CORONARIA DIREITA")),
    (BRANCH, _words("LCA", "LEFT CORONARY[A-Z ]*", "LINKE KORONAR[A-Z]*", "CORONAIRE GAUCHE")),
    (TOTAL, _words("TOTALE?S?", "GESAMT[A-Z]*", "SUMME", "SOMMA", "SUMA", "SUM", "OVERALL",
                   "TOTAAL", "ALL ARTERIES", "GLOBAL", "GEFAESSE")),
)  # fmt: skip
_WHOLE_WORDS: Mapping[str, str] = MappingProxyType(
    {"DA": "LAD", "CD": "RCA", "CX": "LCX", "TC": "LM", "TCI": "LM", "ALL": TOTAL}
)
"""What names an artery only where nothing else stands beside it."""
_CALCIUM = re.compile(
    r"AGATSTON|CALCIUM|CALCIO|CALCIQUE|CALCIFIC|[CK]AL[CZ]IUM|(?<![A-Z])KALK"
    r"|(?<![A-Z])CACS?(?![A-Z])"
)
_SCORE = re.compile(r"AGATSTON|SCOR|SKOR|PUNT[EU]|INDICE|INDEX|SCOOR|(?<![A-Z])CACS?(?![A-Z])")
_VOLUME = re.compile(r"VOLUM")
_MASS = re.compile(r"(?<![A-Z])MASS|(?<![A-Z])MASA(?![A-Z])|MASSE")
_NO_SCORE = re.compile(
    r"PER[CZ]ENT|PERZENTIL|THRESHOLD|SCHWELLE|SEUIL|SOGLIA|UMBRAL|NUMBER OF|COUNT|ANZAHL|NOMBRE"
    r"|NUMERO|RISK|RISIKO|AGE|ALTER|CATEG|KATEGORIE|GRADE|REFEREN|MEDIAN|DENSITY|DICHTE|FACTOR|STENOS"
)
LESION = re.compile(r"(?<![A-Z])(?:LESION|LAESION|PLAQUE|LESIONE|PLACA|DEPOSIT)")


def capitals(text: str) -> str:
    """Text in capitals without accents; everything but letters, digits and marks is a blank."""
    plain = text.replace("ß", "ss")
    for umlaut, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("Ä", "AE"), ("Ü", "UE")):
        plain = plain.replace(umlaut, letters)
    letters_only = unicodedata.normalize("NFKD", plain)
    upper = "".join(c for c in letters_only if not unicodedata.combining(c)).upper()
    return re.sub(r"[^A-Z0-9.,%+:=-]+", " ", upper).strip()


def figure_of(code: Code) -> str:
    """Which figure a concept is: score, volume, mass, another one, or none that is known."""
    known = _FIGURE_CODES.get((code.scheme, code.value))
    if known:
        return known
    words = capitals(code.meaning)
    if _NO_SCORE.search(words) and not is_title(code):
        return OTHER_FIGURE
    if _VOLUME.search(words):
        return VOLUME
    if _MASS.search(words):
        return MASS
    return SCORE if _SCORE.search(words) else ""


def is_title(code: Code) -> bool:
    """Whether a concept is that of a calcium analysis, by its code."""
    return (code.scheme, code.value) in CALCIUM_TITLES


def is_calcium(code: Code) -> bool:
    """Whether a concept says that its figures are of calcium."""
    known = (code.scheme, code.value)
    return known in CALCIUM_TITLES or known in _FIGURE_CODES or speaks_of_calcium(code.meaning)


def speaks_of_calcium(text: str) -> bool:
    """Whether a text names calcium or its score."""
    return bool(_CALCIUM.search(capitals(text)))


def site_of(code: Code) -> tuple[str, bool]:
    """Artery that a concept names (``""`` where none), and whether only a segment of it."""
    if code.scheme in SNOMED or not code.meaning:
        if code.value in _SITE_CODES:
            return _SITE_CODES[code.value], False
        if code.value in _SEGMENT_CODES:
            return _SEGMENT_CODES[code.value], True
    return site_in(code.meaning), False


def site_in(text: str) -> str:
    """Artery that words name, or ``total``, ``prior``, ``not coronary``; else ``""``."""
    words = capitals(text)
    if words in _WHOLE_WORDS:
        return _WHOLE_WORDS[words]
    return next((site for site, pattern in _SITE_WORDS if pattern.search(words)), "")


def places_in(text: str) -> list[tuple[int, int, str]]:
    """Begin, end and artery of every name in a text of ``capitals``, in its order."""
    found = [
        (match.start(), match.end(), site)
        for site, pattern in _SITE_WORDS
        for match in pattern.finditer(text)
    ]
    return sorted(found)
