"""Slow twins of the ventricle search: the scores written from their definition."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import map_coordinates


def score_of(wall, inside, outside, opening, level):
    """Contrast inside and outside, opening, evenness, brightness: all of log counts."""
    mean = wall.mean()
    contrast = np.clip(wall - inside, -0.6, 0.9) + 0.5 * np.clip(wall - outside, -0.4, 0.6)
    score = contrast.mean() + 0.35 * np.clip(mean - opening, -0.6, 0.9).mean()
    return score - 0.5 * wall.std() + 0.8 * min(0.0, mean - level)


def search(flat, centres, offsets, n_wall, bonus, level):
    best, which = [], []
    for centre in centres:
        values = []
        for row, extra in zip(offsets, bonus, strict=True):
            seen = flat[centre + row].astype(float)
            wall, inside, outside = (seen[k * n_wall : (k + 1) * n_wall] for k in range(3))
            values.append(score_of(wall, inside, outside, seen[3 * n_wall :], level) + extra)
        which.append(int(np.argmax(values)))
        best.append(max(values))
    return np.array(best), np.array(which)


def shell_points(shell, unit):
    """Positions on the wall, 11 mm inside, 11 mm outside (each (n, 3)), and of the opening."""
    centre, axis, radius, aspect = shell[:3], shell[3:6], shell[6], shell[7]
    up = np.array([0.0, 0.0, 1.0]) - axis[2] * axis
    up /= np.linalg.norm(up)
    side = np.cross(up, axis)
    found = []
    for shift in (0.0, -11.0, 11.0):
        points = []
        for c, s, ct, st, below in unit:
            normal = np.array([c / aspect, s]) / math.hypot(c / aspect, s)
            t = radius * (aspect * c - below) + shift * normal[0]
            r = max(radius * s + shift * normal[1], 0.0)
            points.append(centre + t * axis + r * st * up + r * ct * side)
        found.append(np.array(points))
    angle = np.arange(8) * math.pi / 4
    ring = 0.4 * radius * (np.outer(np.sin(angle), up) + np.outer(np.cos(angle), side))
    return (*found, centre - radius * axis + ring)


def score_shell(logs, to_index, shell, unit, prior, prior_weight, level, floor):
    seen = []
    for points in shell_points(shell, unit):
        index = points @ to_index[:, :3].T + to_index[:, 3]
        seen.append(map_coordinates(logs.astype(float), index.T, order=1, cval=floor))
    return score_of(*seen, level) + prior_weight * float(shell[3:6] @ prior)
