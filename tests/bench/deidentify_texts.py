"""Descriptions with dates, names and telephone numbers in five languages' habits, cleaned.

Run from the repository's root: ``python tests/bench/deidentify_texts.py [--count 10000]``. Each
description is made of harmless words and of one to three planted pieces: a date or time of day, a
telephone number, an identifier, a name of the patient (the object carries it), a word of the
allow-list that is a name of the patient or of a physician, a physician behind a title. A piece
survives where a digit of it, a month beside it, or a name is left. Exit status 1 if one survives.
The share of harmless words and numbers that stay is told too, for descriptions with planted pieces
and for the same ones without.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mpss_lib.pull.deidentification.free_text import TextCleaner
from mpss_lib.pull.deidentification.names import fold, named_by

LANGUAGES = ("en", "de", "fr", "it", "es")

HARMLESS = {
    "en": "STRESS REST AC NAC OSEM FBP Tomo GATED SA HLA VLA Short Axis Myocardial Perfusion SPECT"
    " Recon 8i4s OSEM8 Flash3D IRAC IRNC Tc-99m Tetrofosmin Adenosine Transaxial Supine Iterative",
    "de": "Belastung Ruhe AC NAC ohne mit Korrektur Herz Myokard Szintigraphie SPECT OSEM Kurzachse"
    " Schnitte 8i4s Flash3D Perfusion Regadenoson Tc-99m STRESS REST Recon Iterative Filter",
    "fr": "Effort Repos AC NAC sans avec Correction Attenuation Coeur Myocarde Scintigraphie TEMP"
    " Coupes Axe Perfusion OSEM 8i4s Dipyridamole Tc-99m Tomo STRESS REST Recon",
    "it": "Sforzo Riposo AC NAC senza con Correzione Cuore Miocardica Perfusione Scintigrafia SPECT"
    " OSEM 8i4s Flash3D Adenosine Tc-99m STRESS REST Recon Tomo GATED",
    "es": "Esfuerzo Reposo AC NAC sin con Correccion Corazon Miocardio Gammagrafia SPECT OSEM 8i4s"
    " Adenosine Tc-99m STRESS REST Recon Tomo GATED Perfusion",
}
MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre"
    " dicembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre"
    " diciembre",
}
ROMAN = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"]
FAMILY = {
    "en": "Smith Miller O'Brien Taylor-Jones McDonald Brown Wright Hughes Long Heart Head Rest",
    "de": "Müller Schmidt Meyer-Vogel Groß Weiß Schäfer Köhler von-Rest Herz Ruhe Kurz Lang Ring",
    "fr": "Dupont Lefèvre D'Arc Leclerc Gauthier Béranger Coeur Repos Effort Axe Coupé Lavergne",
    "it": "Rossi Bianchi D'Angelo Esposito Ferrari Sforzo Riposo Cuore Basale Conti Bruno Greco",
    "es": "García Muñoz López Peña Fernández Ibáñez Corazón Reposo Real Basal Cruz Núñez",
}
GIVEN = [
    "Anna",
    "John",
    "José",
    "Zoë",
    "Jürgen",
    "Maria",
    "Hélène",
    "Luca",
    "Íñigo",
    "Li",
    "Wu",
    "Max",
    "Ann",
    "Joy",
    "Mac",
    "Rae",
]
TITLES = {
    "en": ("Dr.", "Dr", "Mr.", "Mrs.", "Prof.", "Miss"),
    "de": ("Dr.", "Frau", "Herr", "Prof. Dr.", "Fr.", "Hr."),
    "fr": ("Dr", "M.", "Mme", "Mlle", "Pr. Dr.", "Docteur"),
    "it": ("Dott.", "Sig.ra", "Sig.", "Dott.ssa", "Prof."),
    "es": ("Dr.", "Dra.", "Sr.", "Sra.", "Don"),
}
ALLOWED_NAMES = [
    "Long",
    "Head",
    "Rest",
    "Stress",
    "Heart",
    "Wall",
    "Ring",
    "Base",
    "Early",
    "Late",
    "Short",
    "Fan",
    "Back",
    "Step",
    "Base",
]
BIRTH = {"en": "DOB", "de": "geb.", "fr": "né le", "it": "nato il", "es": "nacido"}
PHONE = {"en": "Tel", "de": "Tel.", "fr": "Tél.", "it": "Tel", "es": "Tlf"}
JOINS = (" ", " ", " ", "_", "-", "/", ", ", " - ", ": ", " | ")


@dataclass
class Planted:
    """A piece as it is written; the person names that the object carries because of it."""

    kind: str
    text: str
    names: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)


def a_date(rng: random.Random, language: str) -> Planted:
    day = date(1920, 1, 1) + timedelta(days=rng.randrange(39000))
    d, m, y = day.day, day.month, day.year
    month = MONTHS[language].split()[m - 1]
    short = month[: rng.choice((3, 4))] + rng.choice(("", "."))
    sep = rng.choice(("/", ".", "-", " ", "_", ":", "", "·", "–", "\\", ". ", " / ", "|", ","))
    two, hour, minute = f"{y % 100:02d}", rng.randrange(24), rng.randrange(60)

    def loose() -> str:
        return rng.choice((" ", "-", ".", ""))

    forms: list[Callable[[], str]] = [
        lambda: sep.join((f"{d:02d}", f"{m:02d}", two)),
        lambda: sep.join((f"{d:02d}", f"{m:02d}", str(y))),
        lambda: sep.join((str(y), f"{m:02d}", f"{d:02d}")),
        lambda: sep.join((two, f"{m:02d}", f"{d:02d}")),
        lambda: sep.join((f"{m:02d}", f"{d:02d}", two)),
        lambda: (sep or "/").join((str(d), str(m), two)),
        lambda: (sep or ".").join((str(y), str(m), str(d))),
        lambda: (sep or ".").join((f"{d:02d}", f"{m:02d}")),
        lambda: (sep or ".").join((f"{m:02d}", two)),
        lambda: (
            f"{d}{rng.choice((' ', '-', '.', ''))}{short}{rng.choice((' ', '-', '.', ''))}{two}"
        ),
        lambda: f"{d}. {month} {y}",
        lambda: f"{month} {d}, {y}",
        lambda: f"{month} {d}",
        lambda: f"{d} {month}",
        lambda: f"{d} de {month} de {y}",
        lambda: f"le {d} {month}",
        lambda: f"{d}.{ROMAN[m - 1]}.{rng.choice((two, str(y)))}",
        lambda: f"{d}{rng.choice(('st', 'nd', 'rd', 'th', 'er', 'º'))} {month}",
        lambda: f"{BIRTH[language]} {d:02d}.{m:02d}.{two}",
        lambda: f"*{two}",
        lambda: f"{d:02d}.{m:02d}.{two} {hour:02d}:{minute:02d}",
        lambda: (
            f"{rng.randrange(24):02d}{rng.choice((':', 'h', ' h ', '.'))}{rng.randrange(60):02d}"
        ),
        lambda: (
            f"{rng.randrange(24)}:{rng.randrange(60):02d} {rng.choice(('Uhr', 'h', 'PM', 'hrs'))}"
        ),
        lambda: f"{y}-{m:02d}-{d:02d}T{hour:02d}:{minute:02d}",
        lambda: f"{y}{m:02d}{d:02d}",
    ]
    return Planted("date or time", rng.choice(forms)())


def a_phone(rng: random.Random, language: str) -> Planted:
    def digits(count: int) -> str:
        return "".join(rng.choice("0123456789") for _ in range(count))

    sep = rng.choice((" ", "-", ".", "/", ""))
    forms = [
        lambda: f"+41 44 {digits(3)} {digits(2)} {digits(2)}",
        lambda: f"0{digits(2)}/{digits(3)} {digits(2)} {digits(2)}",
        lambda: f"({digits(3)}) {digits(3)}-{digits(4)}",
        lambda: sep.join(("0" + digits(1), *(digits(2) for _ in range(4)))),
        lambda: f"+{digits(2)}{sep}{digits(2)}{sep}{digits(2)}{sep}{digits(2)}{sep}{digits(2)}",
        lambda: f"00{digits(2)} (0){digits(2)} {digits(3)} {digits(2)}",
        lambda: f"{PHONE[language]} {digits(2)} {digits(2)}",
        lambda: f"{PHONE[language]}: {digits(2)}",
        lambda: "0" + digits(9),
    ]
    return Planted("telephone", rng.choice(forms)())


def an_identifier(rng: random.Random, language: str) -> Planted:
    number = "".join(rng.choice("0123456789") for _ in range(rng.randrange(3, 9)))
    forms = [
        lambda: number,
        lambda: f"MRN {number}",
        lambda: f"#{number}",
        lambda: f"No. {number[:2]}",
        lambda: f"ID-{number[:2]}-{number[2:]}",
        lambda: f"{rng.choice('ABKPX')}{number}",
        lambda: f"{number[:3]}-{number[3:] or '12'}",
    ]
    return Planted("identifier", rng.choice(forms)(), ids=[number])


def a_name(rng: random.Random, language: str) -> Planted:
    family, given = rng.choice(FAMILY[language].split()), rng.choice(GIVEN)
    forms = [family, family.upper(), f"{family}, {given}", f"{given} {family}", f"{family}^{given}"]
    spelt = rng.choice((str, str.upper, _plain))
    text = spelt(rng.choice(forms))
    return Planted("name", text, [f"{family}^{given}"], [], _words(family) + _words(given))


def an_allowed_name(rng: random.Random, language: str) -> Planted:
    family = rng.choice(ALLOWED_NAMES)
    carrier = rng.choice((f"{family}^{rng.choice(GIVEN)}", f"X^Y={family}^Z", f"Smith^{family}"))
    text = rng.choice((family, family.upper(), f"Mr {family}", f"{family}s", family.lower()))
    return Planted("allowed word that is a name", text, [carrier], [], _words(family))


def a_titled(rng: random.Random, language: str) -> Planted:
    family = rng.choice(ALLOWED_NAMES)
    initial = rng.choice(("", "", "A. ", "J.-P. "))
    text = f"{rng.choice(TITLES[language])} {initial}{family}"
    return Planted("physician behind a title", text, [], [], [])


KINDS = (a_date, a_date, a_phone, an_identifier, a_name, an_allowed_name, a_titled)


def _plain(text: str) -> str:
    return fold(text).title()


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\W_]+", fold(text)) if len(word) > 1]


def survivors(planted: list[Planted], harmless: list[str], left: str) -> list[str]:
    """Kinds of planted pieces of which something is left."""
    digits = Counter(re.findall("[0-9]+", left)) - Counter(re.findall("[0-9]+", " ".join(harmless)))
    kept = Counter(_words(left))
    found = []
    for one in planted:
        groups = set(re.findall("[0-9]+", one.text))
        names = {word for word in one.words if word in kept}
        names |= {word for word in one.words if len(word) > 3 and word in "|".join(kept)}
        if one.kind == "physician behind a title":
            word = _words(one.text)[-1]
            names = {word} if kept[word] > _words(" ".join(harmless)).count(word) else set()
        if names or groups & set(digits):
            found.append(one.kind)
    if digits and not found:
        found.append("digits")
    return found


def share_left(harmless: list[str], names: list[str], left: str) -> tuple[int, int]:
    """Harmless words that are nobody's name here: how many are left, and of how many."""
    named = named_by(names, ())
    wanted = Counter(
        word
        for word in re.findall(r"[^\W_]+", " ".join(harmless))
        if not named.hides_in(fold(word))
    )
    kept = Counter(re.findall(r"[^\W_]+", left))
    return sum((wanted & kept).values()), wanted.total()


def main() -> int:
    """Make, clean and judge the descriptions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=9)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    planted_kinds: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    shares = {"with planted pieces": [0, 0], "without": [0, 0]}
    examples: list[str] = []
    for _ in range(asked.count):
        language = rng.choice(LANGUAGES)
        harmless = rng.choices(HARMLESS[language].split(), k=rng.randrange(1, 6))
        planted = [rng.choice(KINDS)(rng, language) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
        pieces = [*harmless, *(one.text for one in planted)]
        rng.shuffle(pieces)
        text = pieces[0] + "".join(rng.choice(JOINS) + piece for piece in pieces[1:])
        names = [name for one in planted for name in one.names]
        cleaner = TextCleaner(named_by(names, [text for one in planted for text in one.ids]))
        left = cleaner.clean(text)
        planted_kinds.update(one.kind for one in planted)
        found = survivors(planted, harmless, left)
        lost.update(found)
        if found and len(examples) < 20:
            examples.append(f"  {found}: {text!r} -> {left!r}")
        for name, cleaned in (
            ("with planted pieces", left),
            ("without", cleaner.clean(" ".join(harmless))),
        ):
            kept, wanted = share_left(harmless, names, cleaned)
            shares[name][0] += kept
            shares[name][1] += wanted
    sys.stdout.write(f"{asked.count} descriptions, seed {asked.seed}; planted, survived:\n")
    for kind, count in sorted(planted_kinds.items()):
        sys.stdout.write(f"  {kind:30s} {count:6d} {lost[kind]:4d}\n")
    for name, (kept, wanted) in shares.items():
        sys.stdout.write(f"harmless words that stay, {name}: {kept / wanted:.1%} of {wanted}\n")
    sys.stdout.write("".join(f"{line}\n" for line in examples))
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
