"""Words of free texts in several languages' habits, negations resolved.

A text becomes capitals without accents, one blank between words, with each negated or doubtful
phrase replaced by one word (``W/O AC``, ``AC: off``, ``nicht korrigiert`` by ``NAC``), so that a
rule is a list of words. What a phrase means is decided here:

- ``pre stress``, ``vor Belastung``: acquired before the stress, at rest; ``post stress``: stress.
- ``no stress``, ``ohne Belastung``: rest. ``no rest`` says nothing of this image.
- ``no NAC``, ``before AC``, ``AC?``, ``pre-injection``: doubtful; the text then says both.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "AE", "Ö": "OE", "Ü": "UE",
                          "ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE"})  # fmt: skip

NOT_CORRECTED, MAYBE_CORRECTED = "NAC", "MAYBEAC"
NOT_STRESSED, MAYBE_STRESSED, NOT_RESTED = "NOSTRESS", "MAYBESTRESS", "NOREST"
NOT_ITERATIVE, NOT_BACK_PROJECTED = "NOITERATIVE", "NOFBP"


def _any(*words: str) -> str:
    return f"(?:{'|'.join(words)})"


_NO = _any(
    "NO", "NON", "NOT", "WITHOUT", "WO", "W O", "WITH NO", "NEVER", "MINUS", "EXCL", "EXCLUDING",
    "OHNE", "NICHT", "KEIN", "KEINE", "KEINER", "SANS", "PAS", "PAS DE", "PAS D", "AUCUNE?",
    "SIN", "NINGUNA?", "SENZA", "NESSUNA?", "SEM", "ZONDER", "NIET", "GEEN", "UTEN", "UTAN",
    "UDEN", "IKKE", "INTE", "BEZ", "ILMAN", "NIE", "LACKING", "FREE OF",
)  # fmt: skip
OFF = _any(
    "OFF", "NONE", "FALSE", "DISABLED", "FAILED", "MISSING", "UNAVAILABLE", "SKIPPED", "OMITTED",
    "AUS", "NEIN", "DEAKTIVIERT", "FEHLT", "ARRET", "ARRETEE?", "DESACTIVEE?", "APAGAD[OA]",
    "DESACTIVAD[OA]", "SPENT[OA]", "DISATTIVAT[OA]", "UIT", "(?:DE|IN)ACTI?VATED", "INACTIVE",
    "ABORTED", "CANCELL?ED", "(?:REJECT|EXCLUD)ED(?! BEAT)", "DISCARDED", "INVALID", "UNUSABLE",
    "PENDING", "IMPOSSIBLE", "FREE(?! BREATH)", "NIL", "NULL", "NOTHING", "INAKTIV", "ABGEBROCHEN",
    "FEHLGESCHLAGEN", "ABGELEHNT", "VERWORFEN", "UNMOE?GLICH", "NICHTS", "ANNULEE?", "ECHOUEE?",
    "REJETEE?", "RIEN", "ANNULLAT[OA]", "FALLIT[OA]", "NIENTE", "CANCELAD[OA]", "ANULAD[OA]",
    "FALLID[OA]", "NADA",
)  # fmt: skip
"""Words by which a thing before them is not there, or was not used."""
_HAPPENS = _any(
    *("APPL", "DONE", "USED", "PERFORM", "AVAIL", "POSS", "ANGEW", "APLIC", "OK", "USABLE"),
    *("MOE?GLICH", "DURCHGEF", "GEMACHT", "VERF", "A[CKT]T?I[VF]", "FAIT", "FAISABLE", "DISP"),
    *("REALI[SZ]", "EFFECTU", "ESEGUIT", "FATT", "HECH", "POSIB", "UTILI"),
)  # fmt: skip
"""Beginnings of words that a negation between makes ``not done``: ``AC nicht moeglich``."""
_IS = _any(":", "=")
_DENIED = (
    rf"(?:(?:{_IS} |IS |WAS |TURNED |SWITCHED |KEPT |SET TO |; )?{OFF}|{_IS} (?:N|0|F|{_NO})"
    rf"|(?:; )?(?:N|{_NO})(?= (?:;|$))"
    rf"|(?:NOT|NO|NON|NICHT|PAS) (?:YET )?{_HAPPENS}[A-Z]*)"
)
"""What follows a thing that is not: ``AC OFF``, ``AC: no``, ``AC (no)``, ``AC not applied``."""
_SMALL = (
    r"(?:(?:THE|ANY|ALL|CT|MAP|DE|DI|DA|D|LA|LE|L|DELL|DELLA|DEL|DO|DER|DIE|EINE|LO|DELLO)"
    r" ){0,3}"
)
_BEFORE = _any(
    "PRE", "BEFORE", "PRIOR", "PRIOR TO", "VOR", "AVANT", "ANTES", "PRIMA", "VOOR", "FOER", "FORE",
)  # fmt: skip
_AFTER = _any("POST", "AFTER", "NACH", "APRES", "DESPUES", "DOPO", "EFTER", "DEPOIS")

_KORR = r"(?:(?:AB)?SCHW(?:(?:AE?)? ?CHUNGS)?|ABSORPTIONS|ATTENUATIONS?) ?KORR[A-Z]*"
"""Also where the umlaut was lost on the way."""
_OF_ATTENUATION = (
    r"(?:(?:DE |DI |DA |D |L |LA |DELL |DELLA )*(?:ATTENUATION|ATENUACION|ATTENUAZIONE|ATENUACAO))"
)
_CORRECTION = r"(?:CORRECTION|CORRECCION|CORREZIONE|CORRECAO|CORR)"
_AC = _any(
    "AC", "[SR]?IRAC(?:SC|RR)*", "ACSC", "ACRR", "SIAC", "CTAC", "ATTN", _KORR,
    "ATT(?:EN(?:UATION)?)? ?CORR(?:ECTED|ECTION)?", rf"{_CORRECTION} {_OF_ATTENUATION}",
    rf"CORRIG[A-Z]* {_OF_ATTENUATION}", "(?:AVEC|CON|COM) CA", "MIT AK", "FLASH3DAC",
)  # fmt: skip
"""Words for a volume with attenuation correction."""
_CORRECTED = _any(
    _AC, "AK", "CA", "ATT", "ATTEN", "ATTENUATION", "KORREKTUR", "KORR", "KORRIGIERT",
    "CORR", "CORRECTED", "CORRECTION", "CORRIG[A-Z]*", "CORRETT[OA]",
    "CORREZIONE", "CORRECCION", "CORRECAO", "CORREGID[OA]S?", "GECORRIGEERD", "CORRECTIE",
    "KORRIGERAD", "KORRIGERET",
)  # fmt: skip
"""Words that a negation before them makes ``not corrected``."""
_NAC = _any(
    "NAC", "NC", "NCO?RR", "IRNC", "SIRNC", "RIRNC", "N AC", "O AC", "W OAC", "UN ?CORR[A-Z]*",
    "UN ?KORR[A-Z]*", "UNGECORRIGEERD", "(?:NO|NON|NOT|NOCT|WO|OHNE|SANS|SIN|SENZA)_?AC[A-Z0-9]*",
    "(?:NO|NON|NOT|NICHT)_?(?:CORR|KORR|ATT|SCHWA|ABSCHWA)[A-Z]*",
)  # fmt: skip
_STRESS = _any(
    "STRESS[0-9]{0,2}", "STRESSED", "STR", "STRS", "EXERCISE", "EXER", "ADENOSINE?",
    "REGADENOSON", "LEXISCAN", "RAPISCAN", "DIPYRIDAMOLE?", "PERSANTINE?", "DOBUTAMINE?",
    "EFFORT", "BELASTUNG[A-Z]*", "ERGOMETR[A-Z]*", "ESFUERZO", "SFORZO", "ESFORCO", "INSPANNING",
    "ANSTRENGUNG", "BELAST", "EXERCICE", "EJERCICIO", "ESERCIZIO", "ESTRES", "TREADMILL", "LEXI",
    "ADENO", "ADENOSINA", "DIPIRIDAMOLO?", "DOBUTAMINA",
)  # fmt: skip
_REST = _any(
    "REST[0-9]{0,2}", "RST", "RESTING", "REDIST[A-Z]*", "REINJ[A-Z]*", "REPOS", "RUHE[A-Z]*",
    "REPOSO", "RIPOSO", "REPOUSO", "RUST", "HVILE", "VILA",
)  # fmt: skip
_ITERATIVE = _any(
    "OSEM[A-Z0-9]*", "MLEM", "IRAC", "IRNC", "IR", "ITERATIV[A-Z]*", "ITERATIF", "FLASH ?3D[A-Z]*",
    "EVOLUTION[A-Z]*", "ASTONISH", "X ?SPECT", "OSCG[A-Z]*", "WIDE ?BEAM", "WBR", "(?:OS|ML) EM",
    "ORDERED SUBSETS?(?: EXPECTATION MAXIMI[SZ]ATION)?", "EXPECTATION MAXIMI[SZ]ATION",
    "MAXIMUM LIKELIHOOD",
)  # fmt: skip
_FBP = _any(
    "FBP", "(?:FILTERED )?BACK ?PROJ[A-Z]*", "RUE?CKPROJEKTION", "RETROPROJECTION",
    "RETROPROYECCION", "RETROPROIEZIONE",
)  # fmt: skip

_PHRASES: tuple[tuple[str, str], ...] = (
    (rf"{_NO} {_SMALL}{_NAC}", MAYBE_CORRECTED),
    (rf"{_BEFORE} {_SMALL}{_AC}", MAYBE_CORRECTED),
    (rf"(?:{_AC}|{_NAC}) \?", MAYBE_CORRECTED),
    (rf"(?<! CUT )OFF {_AC}", MAYBE_CORRECTED),
    (rf"{_NO} {_SMALL}{_CORRECTED}(?: {_CORRECTED})?", NOT_CORRECTED),
    (rf"{_CORRECTED} {_DENIED}", NOT_CORRECTED),
    (rf"{_AC} {_NO}(?= (?:{_ITERATIVE}|{_STRESS}|{_REST}))", MAYBE_CORRECTED),
    (_NAC, NOT_CORRECTED),
    (rf"{_BEFORE} {_SMALL}INJ[A-Z]*", MAYBE_STRESSED),
    (rf"{_BEFORE} {_SMALL}{_REST}", MAYBE_STRESSED),
    (rf"(?:{_STRESS}|{_REST}) \?", MAYBE_STRESSED),
    (rf"{_BEFORE} {_SMALL}{_STRESS}", NOT_STRESSED),
    (rf"{_AFTER} {_SMALL}{_STRESS}", "STRESS"),
    (rf"(?:{_NO} {_SMALL}{_STRESS}|UN STRESS(?:ED)?)", NOT_STRESSED),
    (rf"{_STRESS} {_DENIED}", NOT_STRESSED),
    (rf"{_NO} {_SMALL}{_REST}", NOT_RESTED),
    (rf"{_REST} {_DENIED}", NOT_RESTED),
    (rf"{_NO} {_SMALL}{_ITERATIVE}", NOT_ITERATIVE),
    (rf"{_ITERATIVE} {_DENIED}", NOT_ITERATIVE),
    (rf"{_NO} {_SMALL}{_FBP}", NOT_BACK_PROJECTED),
)
"""Phrases in the order in which they are replaced, each by one word."""

_FUSED = re.compile(
    r"\b(?:(STRESS|STRS|STR|REST|RST)_?(NOAC|NAC|AC|IRAC|IRNC)|(NOAC|NAC|AC)_?(STRESS|STR|REST|RST)"
    r"|(PRE|POST|NON|UN)(STRESS(?:ED)?|REST)|(PRE)(INJ[A-Z]*|AC))\b"
)
_COMPILED = tuple((re.compile(f"(?<= ){phrase}(?= )"), word) for phrase, word in _PHRASES)

WORDS_OF = {
    ("stress", "stress"): _any(_STRESS, MAYBE_STRESSED),
    ("stress", "rest"): _any(_REST, NOT_STRESSED, MAYBE_STRESSED),
    ("attenuation", "AC"): _any(_AC, MAYBE_CORRECTED),
    ("attenuation", "NAC"): _any(NOT_CORRECTED, MAYBE_CORRECTED),
    ("reconstruction", "iterative"): _ITERATIVE,
    ("reconstruction", "FBP"): _any(_FBP, NOT_ITERATIVE),
}
"""Question and answer -> words of a ``plain`` text that give it."""


@lru_cache(maxsize=256)
def plain(text: str) -> str:
    """Text in capitals and blanks with its phrases resolved: `` STRESS NAC OSEM ``.

    ``;`` stands for a break (comma, slash, bracket); a blank begins and ends the text.
    """
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text.translate(_UMLAUTS))  # StressAC
    letters = unicodedata.normalize("NFKD", split)
    capitals = "".join(char for char in letters if not unicodedata.combining(char)).upper()
    capitals = re.sub(r"\(\s*-\s*\)", " OFF ", capitals)
    capitals = re.sub(r"\(\s*-\s*(?=[A-Z])", "( NO ", capitals)  # (-AC)
    capitals = re.sub(r"(?<![A-Z0-9])W\s*/\s*O(?:UT)?(?![A-Z0-9])", " WITHOUT ", capitals)
    capitals = re.sub(rf"(?<![A-Z0-9])({_NO})/(?=[A-Z])", r"\1 ", capitals)  # wo/AC
    capitals = re.sub(r"(?<![A-Z0-9])W\s*/\s*OAC(?![A-Z0-9])", " WITHOUT AC ", capitals)
    capitals = re.sub(r"(?<![A-Z0-9])A(?:\.\s?|/)C\.?(?![A-Z0-9])", "AC", capitals)  # A.C., A/C
    capitals = capitals.replace("!", " NOT ").replace("_", " ")
    capitals = _FUSED.sub(lambda m: " ".join(part for part in m.groups() if part), capitals)
    capitals = re.sub(r"([:=?])", r" \1 ", re.sub(r"[,;/()\[\]{}|+&<>]", " ; ", capitals))
    found = " " + " ".join(re.findall(r"[A-Z0-9]+|[:=?;]", capitals)) + " "
    for phrase, word in _COMPILED:
        found = phrase.sub(word, found)
    return found
