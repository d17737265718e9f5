"""Texture matrices of the IBSI digital phantom, as printed.

Source: IBSI reference manual, chapter "Digital phantom texture matrices". A line is one matrix:
``row,column:count`` (co-occurrence: the half with row <= column; tone difference: level:n:s). For
2D families one line for each slice.
"""

from __future__ import annotations

_COOCCURRENCE_2D_MERGED = """
1,1:22 1,4:17 1,6:6 4,4:16 4,6:11 6,6:4
1,1:42 1,3:5 1,4:8 1,6:8 3,4:1 3,6:2 4,4:4 4,6:3
1,1:56 1,4:7 1,6:4 4,4:2
1,1:70 1,4:7 1,6:5 4,4:2
"""
_COOCCURRENCE_3D_MERGED = """
1,1:536 1,3:14 1,4:105 1,6:61 3,4:5 3,6:6 4,4:64 4,6:28 6,6:16
"""
_RUNS_2D_MERGED = """
1,1:16 1,2:8 1,4:1 4,1:17 4,2:6 4,3:1 6,1:9 6,3:1
1,1:10 1,2:15 1,4:2 3,1:4 4,1:12 4,2:2 6,1:8
1,1:10 1,2:11 1,3:5 1,4:1 1,5:1 4,1:6 4,2:1 6,1:4
1,1:6 1,2:9 1,3:6 1,4:2 1,5:2 4,1:6 4,2:1 6,1:4
"""
_RUNS_3D_MERGED = """
1,1:190 1,2:140 1,3:31 1,4:18 1,5:3 3,1:13 4,1:149 4,2:24 4,3:1 4,4:2 6,1:78 6,2:3 6,3:1 6,4:1
"""
_ZONES_2D = """
1,3:1 1,6:1 4,2:1 4,6:1 6,3:1
1,4:1 1,8:1 3,1:1 4,2:2 6,1:2
1,14:1 4,2:1 6,1:1
1,15:1 4,2:1 6,1:1
"""
_ZONES_3D = """
1,50:1 3,1:1 4,2:1 4,14:1 6,7:1
"""
_DISTANCE_ZONES_2D = """
1,1:2 4,1:2 6,1:1
1,1:2 3,2:1 4,1:2 6,1:1 6,2:1
1,1:1 4,1:1 6,1:1
1,1:1 4,1:1 6,1:1
"""
_DISTANCE_ZONES_3D = """
1,1:1 3,1:1 4,1:2 6,1:1
"""
_DEPENDENCES_2D = """
1,2:3 1,3:1 1,4:3 1,5:2 4,2:2 4,3:4 4,4:2 6,2:2 6,3:1
1,3:2 1,4:6 1,6:4 3,1:1 4,2:4 6,1:2
1,3:1 1,4:5 1,5:3 1,6:3 1,7:2 4,2:2 6,1:1
1,3:1 1,4:3 1,5:3 1,6:4 1,7:1 1,8:3 4,2:2 6,1:1
"""
_DEPENDENCES_3D = """
1,5:2 1,6:2 1,7:1 1,8:6 1,9:4 1,10:6 1,11:5 1,12:5 1,13:3 1,14:2 1,15:5 1,16:3 1,17:3 1,18:2 1,21:1 3,1:1 4,2:2 4,4:2 4,5:6 4,6:4 4,7:2 6,2:1 6,3:4 6,4:1 6,5:1
"""  # noqa: E501
_DIFFERENCES_2D = """
1:9:14.575 4:8:5.775 6:3:7.325
1:12:11.928571 3:1:0.375 4:4:4.8 6:2:8.0
1:14:7.985714 4:2:4.65 6:1:5.0
1:15:7.582143 4:2:4.65 6:1:5.0
"""
_DIFFERENCES_3D = """
1:50:39.946954 3:1:0.2 4:16:20.825401 6:7:24.127005
"""


def _matrices(text: str) -> list[dict[tuple[int, int], int]]:
    found = []
    for line in text.strip().splitlines():
        cells = [cell.split(":") for cell in line.split()]
        found.append({tuple(map(int, key.split(","))): int(count) for key, count in cells})
    return found


def _differences(text: str) -> list[dict[int, tuple[int, float]]]:
    found = []
    for line in text.strip().splitlines():
        cells = [cell.split(":") for cell in line.split()]
        found.append({int(level): (int(n), float(s)) for level, n, s in cells})
    return found


COOCCURRENCE = {
    "2D": _matrices(_COOCCURRENCE_2D_MERGED),
    "3D": _matrices(_COOCCURRENCE_3D_MERGED),
}
RUNS = {"2D": _matrices(_RUNS_2D_MERGED), "3D": _matrices(_RUNS_3D_MERGED)}
ZONES = {"2D": _matrices(_ZONES_2D), "3D": _matrices(_ZONES_3D)}
DISTANCE_ZONES = {"2D": _matrices(_DISTANCE_ZONES_2D), "3D": _matrices(_DISTANCE_ZONES_3D)}
DEPENDENCES = {"2D": _matrices(_DEPENDENCES_2D), "3D": _matrices(_DEPENDENCES_3D)}
DIFFERENCES = {"2D": _differences(_DIFFERENCES_2D), "3D": _differences(_DIFFERENCES_3D)}
