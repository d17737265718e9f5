"""Agatston's score from its definition, pixel by pixel: slow, nothing shared with the library.

Agatston et al. 1990: in each slice of 3 mm, regions of adjacent pixels of at least 130 HU and
1 mm2; area times 1 (peak below 200 HU), 2 (below 300), 3 (below 400) or 4; the sum is the score.
Adjacent: by an edge. Other steps than 130, 200, 300, 400 for other tube voltages. Slices thinner
than 3 mm are averaged first to slabs of at most 3.25 mm, from the lowest slice up; a slab that
stands for another length than 3 mm counts in proportion.
"""

from __future__ import annotations

from collections.abc import Sequence

Slice = list[list[float]]


def score(
    slices: Sequence[Slice],
    pixel_mm2: float,
    distance_mm: float,
    thickness_mm: float,
    steps: Sequence[float] = (130.0, 200.0, 300.0, 400.0),
) -> float:
    """Score of slices from the lowest up."""
    return sum(one for _, _, one in regions(slices, pixel_mm2, distance_mm, thickness_mm, steps))


def regions(
    slices: Sequence[Slice],
    pixel_mm2: float,
    distance_mm: float,
    thickness_mm: float,
    steps: Sequence[float] = (130.0, 200.0, 300.0, 400.0),
) -> list[tuple[int, list[tuple[int, int]], float]]:
    """All regions that count: slab, pixels (row, column), units."""
    together = slices_of_a_slab(thickness_mm, distance_mm)
    found = []
    for slab, start in enumerate(range(0, len(slices), together)):
        group = slices[start : start + together]
        picture = _mean(group) if len(group) > 1 else group[0]
        share = len(group) * distance_mm / 3.0
        for pixels in _regions_of(picture, steps[0]):
            area = len(pixels) * pixel_mm2
            if area < 1.0 - 1e-6:
                continue
            peak = max(picture[row][column] for row, column in pixels)
            weight = sum(1 for begins in steps if peak >= begins)
            found.append((slab, pixels, area * weight * share))
    return found


def slices_of_a_slab(thickness_mm: float, distance_mm: float) -> int:
    """How many slices are averaged."""
    together = 1
    while thickness_mm + together * distance_mm <= 3.25 + 1e-9:
        together += 1
    return together


def _mean(group: Sequence[Slice]) -> Slice:
    return [
        [sum(values) / len(values) for values in zip(*lines, strict=True)]
        for lines in zip(*group, strict=True)
    ]


def _regions_of(picture: Slice, lowest: float) -> list[list[tuple[int, int]]]:
    waiting = {
        (row, column)
        for row, line in enumerate(picture)
        for column, value in enumerate(line)
        if value >= lowest
    }
    found = []
    while waiting:
        edge = [waiting.pop()]
        region = []
        while edge:
            row, column = edge.pop()
            region.append((row, column))
            for near in (
                (row - 1, column),
                (row + 1, column),
                (row, column - 1),
                (row, column + 1),
            ):
                if near in waiting:
                    waiting.remove(near)
                    edge.append(near)
        found.append(region)
    return found
