"""Whole objects with dates, names and telephone numbers in every text that is kept, at two depths.

Run from the repository's root: ``python tests/bench/deidentify_objects.py [--count 300]``. The
pieces are those of ``deidentify_texts``; the object names the patients and physicians. Exit status
1 if a piece survives in any attribute, other than as a term that the standard defines for it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import warnings
from io import BytesIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from deidentify_texts import HARMLESS, JOINS, KINDS, LANGUAGES, Planted, survivors
from pacs_objects import make_nm
from pydicom import dcmread
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from mpss_lib.pull.deidentification import attributes as table
from mpss_lib.pull.deidentification.deidentifier import Deidentifier, Subject

TEXTS = {table.CLEAN, table.TERM, table.MAKER, table.MODEL, table.VERSION}
KEYWORDS = [keyword for keyword, action in table.KEPT.items() if action in TEXTS]


def plant(target: Dataset, rng: random.Random) -> dict[str, tuple[list[str], list[Planted], str]]:
    """Write a description with planted pieces into every text attribute."""
    written = {}
    for keyword in KEYWORDS:
        language = rng.choice(LANGUAGES)
        harmless = rng.choices(HARMLESS[language].split(), k=rng.randrange(3))
        planted = [rng.choice(KINDS)(rng, language) for _ in range(rng.choice((1, 1, 2)))]
        pieces = [*harmless, *(one.text for one in planted)]
        rng.shuffle(pieces)
        text = pieces[0] + "".join(rng.choice(JOINS) + piece for piece in pieces[1:])
        tag = tag_for_keyword(keyword)
        vr = dictionary_VR(tag)
        target.add(DataElement(tag, vr, text, validation_mode=IGNORE))
        written[keyword] = (harmless, planted, text)
    return written


def an_object(rng: random.Random) -> tuple[FileDataset, Subject, list[dict]]:
    """Make an object that names whom its texts name."""
    dataset, agent = make_nm(1), Dataset()
    written = [plant(dataset, rng), plant(agent, rng)]
    dataset.RadiopharmaceuticalInformationSequence = Sequence([agent])
    dataset.SpecificCharacterSet = "ISO_IR 192"
    pieces = [one for texts in written for _, planted, _ in texts.values() for one in planted]
    dataset.OtherPatientNames = [name for one in pieces for name in one.names]
    numbers = tuple(number for one in pieces for number in one.ids)
    subject = Subject("P1", -100, "20260302", "101500", "19500615", "m", (), numbers)
    return dataset, subject, written


def main() -> int:
    """Clean objects and look into what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=9)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # pydicom's, on texts that are longer than their VR
    rng, bad, texts, taken_s = random.Random(asked.seed), 0, 0, 0.0
    for _ in range(asked.count):
        dataset, subject, written = an_object(rng)
        began = time.perf_counter()
        content = Deidentifier(subject, lambda _: "2.25.1").file_bytes(dataset)
        taken_s += time.perf_counter() - began
        kept = dcmread(BytesIO(content))
        for target, planted in zip(
            (kept, kept.RadiopharmaceuticalInformationSequence[0]), written, strict=True
        ):
            for keyword, (harmless, pieces, text) in planted.items():
                texts += 1
                value = target.get(keyword) or ""
                values = list(value) if isinstance(value, MultiValue) else [str(value)]
                left = " ".join(one for one in values if one not in table.TERMS.get(keyword, ()))
                if survivors(pieces, harmless, left):
                    bad += 1
                    sys.stdout.write(f"  {keyword}: {text!r} -> {left!r}\n")
    sys.stdout.write(
        f"{asked.count} objects, seed {asked.seed}: {texts} texts, {bad} with something left;"
        f" {1000 * taken_s / asked.count:.0f} ms an object\n"
    )
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
