"""The content tree of a structured report (PS3.3 C.17.3), walked whatever its template is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from mpss_lib.calcium.report_words import Code
from mpss_lib.dicom.values import items, quiet, text_of, texts_of, whole_numbers_of
from mpss_lib.errors import CalciumReportError, UnreadableValueError

UNDEFINED_LENGTH = 0xFFFFFFFF
DEEPEST, MOST_ITEMS = 40, 20_000
TREE_BROKEN = "tree_broken"


@dataclass(frozen=True)
class Node:
    """A content item: its type, concept, dataset and children."""

    value_type: str
    concept: Code
    dataset: Dataset
    children: tuple[Node, ...]

    def walk(self) -> Iterator[Node]:
        """Give the item and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def broken(what: str) -> CalciumReportError:
    """Name a tree that cannot be walked."""
    return CalciumReportError(
        f"the content tree of the report is broken: {what}",
        way_out="have the report written again by its workstation",
        reason=TREE_BROKEN,
    )


def read_tree(dataset: Dataset) -> Node:
    """Read the content tree of a report.

    Raises
    ------
    CalciumReportError
        ``tree_broken``: it is deeper or larger than any report, an item refers to what it is
        part of, or its bytes end early.
    """
    return _node(dataset, (1,), [0])


def _node(dataset: Dataset, path: tuple[int, ...], count: list[int]) -> Node:
    count[0] += 1
    if len(path) > DEEPEST:
        raise broken(f"more than {DEEPEST} levels")
    if count[0] > MOST_ITEMS:
        raise broken(f"more than {MOST_ITEMS} items")
    if _is_cut(dataset):
        raise broken("it ends early")
    try:
        found = items(dataset, "ContentSequence")
        children = []
        for number, child in enumerate(found, start=1):
            reference = whole_numbers_of(child, "ReferencedContentItemIdentifier")
            if not reference:
                children.append(_node(child, (*path, number), count))
            elif path[: len(reference)] == reference:
                raise broken("an item refers to one that it is part of")
        return Node(
            text_of(dataset, "ValueType").upper(),
            code_of(dataset, "ConceptNameCodeSequence"),
            dataset,
            tuple(children),
        )
    except UnreadableValueError as error:
        raise broken(f"{error.keyword} cannot be read") from error


def _is_cut(dataset: Dataset) -> bool:
    """Whether an element has fewer bytes than it states: pydicom gives it as it is."""
    with quiet():
        elements = [dataset.get_item(tag) for tag in dataset.keys()]  # noqa: SIM118 - keeps them raw
    return any(
        isinstance(one, RawDataElement)
        and one.length != UNDEFINED_LENGTH
        and len(one.value or b"") < one.length
        for one in elements
    )


def code_of(dataset: Dataset, keyword: str) -> Code:
    """First code of a sequence; an empty one where there is none."""
    found = items(dataset, keyword)
    if not found:
        return Code()
    value = next(
        (text for key in ("CodeValue", "LongCodeValue", "URNCodeValue")
         if (text := text_of(found[0], key))), ""
    )  # fmt: skip
    scheme = text_of(found[0], "CodingSchemeDesignator").upper()
    return Code(value, scheme, " ".join(texts_of(found[0], "CodeMeaning")))
