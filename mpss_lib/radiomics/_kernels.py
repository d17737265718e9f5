"""Texture kernels over a region given as a graph of its voxels.

A region has n voxels in the order (slice, row, column). ``after[d, a]`` is the voxel one step
along direction d from voxel a, or -1; ``before`` the one against it. Directions 0-3 lie in the
slice. ``starts[s] : starts[s + 1]`` are the voxels of slice s; no slice is empty. ``levels`` are
1..n_levels.

No array here grows with the square of the number of grey levels: a matrix is a hash table of its
non-zero cells, sized by the number of voxels, with the list of cells in use. ``clog`` tabulates
c * log2(c), so that an entropy costs no logarithm: -sum p log2 p = log2 N - (sum c log2 c) / N.

One long file on purpose: numba's cache of a kernel sees changes of the kernel's own file only.
What starts at ``_ZERO`` is handed to other kernels: a literal 0 would make numba compile each of
them twice, once for the literal. For the same reason there are no sorts here but one of our own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]

IN_PLANE = 4
_ZERO = np.int64(0)
_ONE = np.int64(1)
_FLAT = np.int64(IN_PLANE)
_HASH = np.int64(0x9E3779B97F4A7C1)

_jit = njit(cache=True, error_model="numpy", nogil=True)


@_jit
def _xlogx(count: int, clog: Floats) -> Any:
    if count < clog.size:
        return clog[count]
    return count * np.log2(count)


@_jit
def _bits(largest: int) -> Any:
    """Count the bits that hold 0..largest."""
    bits = 1
    while largest >> bits:
        bits += 1
    return bits


@_jit
def _count(
    keys: Longs,
    first: int,
    last: int,
    slots: Longs,
    counts: Longs,
    used: Longs,
    n_used: int,
    is_direct: bool,
) -> Any:
    """Count keys[first:last] in the table; return the number of cells in use.

    ``is_direct``: every possible key is smaller than the table, and is its own place.
    """
    if is_direct:
        for e in range(first, last):
            place = keys[e]
            if counts[place] == 0:
                slots[place] = place
                used[n_used] = place
                n_used += 1
            counts[place] += 1
        return n_used
    mask = slots.size - 1
    for e in range(first, last):
        key = keys[e]
        place = (key * _HASH >> 20) & mask
        while counts[place] > 0 and slots[place] != key:
            place = (place + 1) & mask
        if counts[place] == 0:
            slots[place] = key
            used[n_used] = place
            n_used += 1
        counts[place] += 1
    return n_used


@_jit
def _bump(at: int, amount: int, histogram: Longs, used: Longs, n_used: int) -> Any:
    if histogram[at] == 0:
        used[n_used] = at
        n_used += 1
    histogram[at] += amount
    return n_used


@_jit
def _divide(values: Floats, number: float) -> None:
    """Make a sum a mean, in place; NaN where nothing was summed."""
    for e in range(values.size):
        values[e] = values[e] / number if number > 0.0 else np.nan


@_jit
def _sort(values: Floats) -> None:
    """Sort ascending, in place (Shell's method: few hundred values at most)."""
    gap = values.size // 2
    while gap > 0:
        for e in range(gap, values.size):
            value, k = values[e], e
            while k >= gap and values[k - gap] > value:
                values[k] = values[k - gap]
                k -= gap
            values[k] = value
        gap //= 2


@_jit
def _entropy(histogram: Longs, used: Longs, n_used: int, total: int, clog: Floats) -> Any:
    if n_used == 1:
        return 0.0
    acc = 0.0
    for e in range(n_used):
        acc += _xlogx(histogram[used[e]], clog)
    return np.log2(total) - acc / total


@_jit
def _describe_pairs(
    n_used: int,
    slots: Longs,
    counts: Longs,
    used: Longs,
    shift: int,
    n_levels: int,
    scratch: Longs,
    lists: Longs,
    clog: Floats,
    out: Floats,
) -> None:
    """25 features of one co-occurrence matrix, added to ``out``; empties the table.

    A cell (i, j), i <= j, stands for both (i, j) and (j, i): count c of n pairs has mass c / n.
    Every feature but maximum, energy and joint entropy follows from the histograms of i - j, i + j
    and i. ``scratch`` rows: difference, sum, margin; ``lists`` rows: their cells in use.
    """
    diff, total, margin = scratch[0], scratch[1], scratch[2]
    used_diff, used_sum, used_margin = lists[0], lists[1], lists[2]
    n_diff, n_sum, n_margin, n = _ZERO, _ZERO, _ZERO, _ZERO
    low_bits = (1 << shift) - 1
    top = 0.0
    square, cells, on_diagonal = 0.0, 0.0, 0
    for e in range(n_used):
        place = used[e]
        key, c = slots[place], counts[place]
        counts[place] = 0
        i, j = (key >> shift) + 1, (key & low_bits) + 1
        n += c
        cells += _xlogx(c, clog)
        if i == j:
            on_diagonal += c
            square += float(c) * c
            top = max(top, float(c))
        else:
            square += 0.5 * c * c
            top = max(top, 0.5 * c)
        n_diff = _bump(j - i, c, diff, used_diff, n_diff)
        n_sum = _bump(i + j, c, total, used_sum, n_sum)
        n_margin = _bump(i, c, margin, used_margin, n_margin)
        n_margin = _bump(j, c, margin, used_margin, n_margin)
    hxy = 1.0 + np.log2(n) - (cells + on_diagonal) / n
    if n_used == 1 and on_diagonal == n:
        hxy = 0.0
    hx = _entropy(margin, used_margin, n_margin, 2 * n, clog)
    diff_entropy = _entropy(diff, used_diff, n_diff, n, clog)
    sum_entropy = _entropy(total, used_sum, n_sum, n, clog)

    mean_diff, contrast = 0.0, 0.0
    inv_diff, inv_diff_norm, inv_mom, inv_mom_norm, inv_var = 0.0, 0.0, 0.0, 0.0, 0.0
    for e in range(n_diff):
        k = float(used_diff[e])
        p = diff[used_diff[e]] / n
        scaled = k / n_levels
        mean_diff += k * p
        contrast += k * k * p
        inv_diff += p / (1.0 + k)
        inv_diff_norm += p / (1.0 + scaled)
        inv_mom += p / (1.0 + k * k)
        inv_mom_norm += p / (1.0 + scaled * scaled)
        if k > 0.0:
            inv_var += p / (k * k)
    diff_var = 0.0
    for e in range(n_diff):
        d = used_diff[e] - mean_diff
        diff_var += d * d * diff[used_diff[e]] / n
        diff[used_diff[e]] = 0
    mean_sum, product = 0.0, 0.0
    for e in range(n_sum):
        k = float(used_sum[e])
        mean_sum += k * total[used_sum[e]] / n
        product += k * k * total[used_sum[e]] / n
    sum_var, shade, prominence = 0.0, 0.0, 0.0
    for e in range(n_sum):
        p = total[used_sum[e]] / n
        d = used_sum[e] - mean_sum
        sum_var += d * d * p
        shade += d * d * d * p
        prominence += d * d * d * d * p
        total[used_sum[e]] = 0
    for e in range(n_margin):
        margin[used_margin[e]] = 0

    spread = sum_var + contrast
    out[0] += top / n
    out[1] += 0.5 * mean_sum
    out[2] += 0.25 * spread
    out[3] += hxy
    out[4] += mean_diff
    out[5] += diff_var
    out[6] += diff_entropy
    out[7] += mean_sum
    out[8] += sum_var
    out[9] += sum_entropy
    out[10] += square / n / n
    out[11] += contrast
    out[12] += mean_diff
    out[13] += inv_diff
    out[14] += inv_diff_norm
    out[15] += inv_mom
    out[16] += inv_mom_norm
    out[17] += inv_var
    out[18] += (sum_var - contrast) / spread if n_margin > 1 else 1.0
    out[19] += 0.25 * (product - contrast)
    out[20] += sum_var
    out[21] += shade
    out[22] += prominence
    out[23] += (hxy - 2.0 * hx) / hx if hx > 0.0 else 0.0
    out[24] += np.sqrt(max(0.0, 1.0 - np.exp(-2.0 * (2.0 * hx - hxy))))


@_jit
def cooccurrence_features(
    levels: Ints, n_levels: int, after: Ints, starts: Longs, merges: Longs, clog: Floats
) -> Floats:
    """GLCM features: (6, 25), aggregations in the order of the catalogue; NaN without any pair.

    A row of ``merges`` (m, 5) is one matrix: first direction, last, first slice, last, row of the
    result; the matrices of a row are averaged. The 3D average (row 4) lists the directions that
    leave the slice only: the others have the matrices of row 2.
    """
    n_directions, n = after.shape
    n_slices = starts.size - 1
    keys = np.empty(n_directions * n, np.int64)
    ends = np.zeros((n_directions, n_slices + 1), np.int64)
    shift = _bits(n_levels - 1)
    m = 0
    for d in range(n_directions):
        for s in range(n_slices):
            ends[d, s] = m
            for a in range(starts[s], starts[s + 1]):
                b = after[d, a]
                if b >= 0:
                    low, high = min(levels[a], levels[b]), max(levels[a], levels[b])
                    keys[m] = np.int64(low - 1) << shift | (high - 1)
                    m += 1
        ends[d, n_slices] = m
    out = np.zeros((6, 25))
    size = 64
    while size < 2 * m:
        size *= 2
    is_direct = 1 << 2 * shift <= size
    slots = np.empty(size, np.int64)
    counts = np.zeros(size, np.int64)
    used = np.empty(m, np.int64)
    scratch = np.zeros((3, 2 * n_levels + 1), np.int64)
    lists = np.empty((3, 2 * n_levels + 1), np.int64)
    matrices = np.zeros(6)

    for j in range(merges.shape[0]):
        first, last, row = merges[j, 0], merges[j, 1], merges[j, 4]
        n_used = _ZERO
        for d in range(first, last):
            n_used = _count(
                keys,
                ends[d, merges[j, 2]],
                ends[d, merges[j, 3]],
                slots,
                counts,
                used,
                n_used,
                is_direct,
            )
        if n_used > 0:
            _describe_pairs(
                n_used, slots, counts, used, shift, n_levels, scratch, lists, clog, out[row]
            )
            matrices[row] += 1.0
    matrices[4] += matrices[2]
    for f in range(25):
        out[4, f] += out[2, f]
    for row in range(6):
        _divide(out[row], matrices[row])
    return out


@_jit
def _pack(greys: Ints, sizes: Ints, n: int, shift: int, keys: Longs) -> None:
    for e in range(n):
        keys[e] = np.int64(greys[e] - 1) << shift | (sizes[e] - 1)


@_jit
def _describe_items(
    keys: Longs,
    ranges: Longs,
    n_ranges: int,
    n_possible: int,
    n_levels: int,
    shift: int,
    tables: tuple[Longs, Longs, Longs],
    scratch: Longs,
    lists: Longs,
    clog: Floats,
    out: Floats,
) -> Any:
    """17 features of a matrix of items (grey level, size), added to ``out``; 1 if there are any.

    Runs, zones, distance zones and dependences share these formulae: the second index is the run
    length, zone size, zone distance or dependence count. ``keys`` are packed by ``_pack``;
    ``n_possible`` divides the percentage.
    """
    slots, counts, used = tables
    n, n_used = _ZERO, _ZERO
    is_direct = n_levels << shift <= slots.size
    for r in range(n_ranges):
        first, last = ranges[r, 0], ranges[r, 1]
        n_used = _count(keys, first, last, slots, counts, used, n_used, is_direct)
        n += last - first
    if n == 0:
        return 0
    low_bits = (1 << shift) - 1
    by_grey, by_size = scratch[0], scratch[1]
    n_grey, n_size = _ZERO, _ZERO
    cells, energy = 0.0, 0.0
    f0, f1, f2, f3, f4, f5, f6, f7 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    mean_grey, mean_size = 0.0, 0.0
    for e in range(n_used):
        place = used[e]
        key, c = slots[place], counts[place]
        counts[place] = 0
        grey, size = (key >> shift) + 1, (key & low_bits) + 1
        cells += _xlogx(c, clog)
        energy += float(c) * c
        g2, s2 = float(grey) * grey, float(size) * size
        f0 += c / s2
        f1 += c * s2
        f2 += c / g2
        f3 += c * g2
        f4 += c / (g2 * s2)
        f5 += c * g2 / s2
        f6 += c * s2 / g2
        f7 += c * g2 * s2
        mean_grey += c * float(grey)
        mean_size += c * float(size)
        n_grey = _bump(grey, c, by_grey, lists[0], n_grey)
        n_size = _bump(size, c, by_size, lists[1], n_size)
    mean_grey /= n
    mean_size /= n
    grey_square, grey_var = 0.0, 0.0
    for e in range(n_grey):
        c = by_grey[lists[0, e]]
        by_grey[lists[0, e]] = 0
        grey_square += float(c) * c
        grey_var += c * (lists[0, e] - mean_grey) ** 2
    size_square, size_var = 0.0, 0.0
    for e in range(n_size):
        c = by_size[lists[1, e]]
        by_size[lists[1, e]] = 0
        size_square += float(c) * c
        size_var += c * (lists[1, e] - mean_size) ** 2
    out[0] += f0 / n
    out[1] += f1 / n
    out[2] += f2 / n
    out[3] += f3 / n
    out[4] += f4 / n
    out[5] += f5 / n
    out[6] += f6 / n
    out[7] += f7 / n
    out[8] += grey_square / n
    out[9] += grey_square / n / n
    out[10] += size_square / n
    out[11] += size_square / n / n
    out[12] += n / n_possible
    out[13] += grey_var / n
    out[14] += size_var / n
    out[15] += np.log2(n) - cells / n if n_used > 1 else 0.0
    out[16] += energy / n / n
    return 1


@_jit
def _runs(
    levels: Ints, after: Ints, before: Ints, starts: Longs, greys: Ints, sizes: Ints, ends: Longs
) -> Any:
    """List the runs of equal level, direction by direction; return the longest length."""
    n_slices = starts.size - 1
    m, longest = 0, 1
    for d in range(after.shape[0]):
        for s in range(n_slices):
            ends[d, s] = m
            for a in range(starts[s], starts[s + 1]):
                b = before[d, a]
                if b >= 0 and levels[b] == levels[a]:
                    continue
                length, b = 1, after[d, a]
                while b >= 0 and levels[b] == levels[a]:
                    length += 1
                    b = after[d, b]
                greys[m], sizes[m] = levels[a], length
                longest = max(longest, length)
                m += 1
        ends[d, n_slices] = m
    return longest


@_jit
def _join(levels: Ints, after: Ints, first: int, last: int, parent: Ints) -> None:
    """Union-find: join neighbours of equal level along directions first..last-1."""
    for d in range(first, last):
        for a in range(levels.size):
            b = after[d, a]
            if b < 0 or levels[a] != levels[b]:
                continue
            p, q = a, b
            while parent[p] != p:
                parent[p] = parent[parent[p]]
                p = parent[p]
            while parent[q] != q:
                parent[q] = parent[parent[q]]
                q = parent[q]
            parent[max(p, q)] = min(p, q)


@_jit
def _zones(
    levels: Ints,
    parent: Ints,
    distance: Ints,
    starts: Longs,
    greys: Ints,
    sizes: Ints,
    nearest: Ints,
    ends: Longs,
    item: Ints,
) -> None:
    """Items (level, size, smallest distance) of the zones, by the slice of their first voxel."""
    m = 0
    for s in range(starts.size - 1):
        ends[0, s] = m
        for a in range(starts[s], starts[s + 1]):
            root = a
            while parent[root] != root:
                root = parent[root]
            parent[a] = root
            if root == a:
                item[a] = m
                greys[m], sizes[m], nearest[m] = levels[a], 0, distance[a]
                m += 1
            z = item[root]
            sizes[z] += 1
            nearest[z] = min(nearest[z], distance[a])
    ends[0, starts.size - 1] = m


@_jit
def _difference_features(counts: Longs, sums: Floats, n_used: int, n: int, out: Floats) -> None:
    """5 NGTDM features from n_i and s_i, ``n_used`` levels in use, added to ``out``.

    The double sums are taken in linear time: contrast and strength by moments, busyness over the
    sorted values of i p_i, complexity by classes of equal n_i with running sums over ascending i.
    """
    order = np.empty(n_used, np.int64)
    e = 0
    for i in range(counts.size):
        if counts[i] > 0:
            order[e] = i
            e += 1
    ps, s_total = 0.0, 0.0
    m1, m2, l1, l2 = 0.0, 0.0, 0.0, 0.0
    weighted = np.empty(n_used)
    for e in range(n_used):
        i = order[e]
        p = counts[i] / n
        ps += p * sums[i]
        s_total += sums[i]
        m1 += p * i
        m2 += p * i * i
        l1 += i
        l2 += float(i) * i
        weighted[e] = i * p
    out[0] += 1.0 / ps if ps >= 1e-6 else 1e6
    if n_used == 1:
        return
    variance, middle = 0.0, l1 / n_used
    strength = 0.0
    for e in range(n_used):
        i = order[e]
        p = counts[i] / n
        variance += p * (i - m1) ** 2
        strength += p * (l2 - n_used * middle * middle + n_used * (i - middle) ** 2)
    out[1] += 2.0 * variance / (n_used * (n_used - 1.0)) * s_total / n
    _sort(weighted)
    spread = 0.0
    for e in range(n_used):
        spread += 2.0 * (2.0 * e - n_used + 1.0) * weighted[e]
    if spread > 0.0:
        out[2] += ps / spread
    if s_total > 0.0:
        out[4] += 2.0 * strength / s_total

    classes = np.empty(n_used, np.int64)
    running = np.zeros((n_used, 4))
    n_classes = 0
    complexity = 0.0
    for e in range(n_used):
        i = order[e]
        w = counts[i] * sums[i]
        mine = n_classes
        for c in range(n_classes):
            if classes[c] == counts[i]:
                mine = c
            inner = i * w * running[c, 0] + i * running[c, 2]
            inner -= w * running[c, 1] + running[c, 3]
            complexity += inner / (counts[i] + classes[c])
        if mine == n_classes:
            classes[mine] = counts[i]
            n_classes += 1
        running[mine, 0] += 1.0
        running[mine, 1] += i
        running[mine, 2] += w
        running[mine, 3] += i * w
    out[3] += 2.0 * complexity / n


@_jit
def _neighbourhood(
    levels: Ints, after: Ints, first: int, last: int, total: Longs, number: Ints, same: Ints
) -> None:
    """Add, for each voxel, sum and number of neighbouring levels and number of equal ones."""
    for d in range(first, last):
        for a in range(levels.size):
            b = after[d, a]
            if b >= 0:
                total[a] += levels[b]
                total[b] += levels[a]
                number[a] += 1
                number[b] += 1
                if levels[a] == levels[b]:
                    same[a] += 1
                    same[b] += 1


@_jit
def _differences(
    levels: Ints,
    first: int,
    last: int,
    total: Longs,
    number: Ints,
    counts: Longs,
    sums: Floats,
    used: Longs,
    out: Floats,
) -> Any:
    """NGTDM features of voxels first..last-1 that have a neighbour; 1 if there are any."""
    n, n_used = _ZERO, _ZERO
    for a in range(first, last):
        if number[a] > 0:
            n += 1
            n_used = _bump(np.int64(levels[a]), _ONE, counts, used, n_used)
            sums[levels[a]] += abs(levels[a] - total[a] / number[a])
    if n == 0:
        return 0
    _difference_features(counts, sums, n_used, n, out)
    for e in range(n_used):
        counts[used[e]] = 0
        sums[used[e]] = 0.0
    return 1


@_jit
def region_features(
    levels: Ints,
    n_levels: int,
    after: Ints,
    before: Ints,
    starts: Longs,
    flat_distance: Ints,
    distance: Ints,
    clog: Floats,
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """GLRLM (6, 17), GLSZM, GLDZM (3, 17), NGTDM (3, 5), NGLDM (3, 17) features.

    ``flat_distance`` and ``distance`` are the voxels' distances to the border of the morphological
    mask in the slice (4-connected) and in space (6-connected). Column 16 (energy) is NGLDM's.
    """
    n_directions, n = after.shape
    n_slices = starts.size - 1
    deepest = 1
    for a in range(n):
        deepest = max(deepest, max(flat_distance[a], distance[a]))
    width = max(n_levels, n, 27, deepest) + 1
    size = 64
    while size < 2 * n_directions * n:
        size *= 2
    tables = (
        np.empty(size, np.int64),
        np.zeros(size, np.int64),
        np.empty(n_directions * n, np.int64),
    )
    scratch = np.zeros((2, width), np.int64)
    lists = np.empty((2, width), np.int64)
    ranges = np.empty((n_directions, 2), np.int64)
    runs = np.zeros((6, 17))
    zones = np.zeros((3, 17))
    distances = np.zeros((3, 17))
    differences = np.zeros((3, 5))
    dependences = np.zeros((3, 17))

    greys = np.empty(n_directions * n, np.int32)
    sizes = np.empty(n_directions * n, np.int32)
    ends = np.zeros((n_directions, n_slices + 1), np.int64)
    longest = _runs(levels, after, before, starts, greys, sizes, ends)
    keys = np.empty(n_directions * n, np.int64)
    shift = _bits(longest - 1)
    _pack(greys, sizes, ends[n_directions - 1, n_slices], shift, keys)
    matrices = np.zeros(6)
    for row in range(6):
        is_merged = row % 2 == 1
        # A 3D direction inside the slice has the same matrix as the 2.5D one.
        first = IN_PLANE if row == 4 else 0
        last = IN_PLANE if row < 4 else n_directions
        merged = last - first if is_merged else 1
        for part in range(n_slices if row < 2 else 1):
            s0, s1 = (part, part + 1) if row < 2 else (0, n_slices)
            for d in range(first, last):
                ranges[d, 0], ranges[d, 1] = ends[d, s0], ends[d, s1]
            for d in range(first, first + 1 if is_merged else last):
                matrices[row] += _describe_items(
                    keys,
                    ranges[d:],
                    merged,
                    (starts[s1] - starts[s0]) * merged,
                    n_levels,
                    shift,
                    tables,
                    scratch,
                    lists,
                    clog,
                    runs[row],
                )
    matrices[4] += matrices[2]
    for f in range(17):
        runs[4, f] += runs[2, f]
    for row in range(6):
        _divide(runs[row], matrices[row])

    parent = np.arange(n).astype(np.int32)
    nearest = np.empty(n, np.int32)
    item = np.empty(n, np.int32)
    total = np.zeros(n, np.int64)
    number = np.zeros(n, np.int32)
    same = np.ones(n, np.int32)
    level_counts = np.zeros(n_levels + 1, np.int64)
    level_sums = np.zeros(n_levels + 1)
    level_used = np.empty(n_levels + 1, np.int64)
    zone_keys = np.empty((3, n), np.int64)
    shifts = (_bits(n - 1), _bits(deepest - 1), _bits(np.int64(26)))
    for row in range(3):
        if row == 0:
            _join(levels, after, _ZERO, _FLAT, parent)
            _neighbourhood(levels, after, _ZERO, _FLAT, total, number, same)
        elif row == 2:
            _join(levels, after, _FLAT, n_directions, parent)
            _neighbourhood(levels, after, _FLAT, n_directions, total, number, same)
        border = distance if row == 2 else flat_distance
        _zones(levels, parent, border, starts, greys, sizes, nearest, ends, item)
        _pack(greys, sizes, ends[0, n_slices], shifts[0], zone_keys[0])
        _pack(greys, nearest, ends[0, n_slices], shifts[1], zone_keys[1])
        _pack(levels, same, n, shifts[2], zone_keys[2])
        n_matrices, n_differences = 0.0, 0.0
        for part in range(n_slices if row == 0 else 1):
            s0, s1 = (part, part + 1) if row == 0 else (0, n_slices)
            n_voxels = starts[s1] - starts[s0]
            for family in range(3):
                if family < 2:
                    ranges[0, 0], ranges[0, 1] = ends[0, s0], ends[0, s1]
                    out = zones[row] if family == 0 else distances[row]
                else:
                    ranges[0, 0], ranges[0, 1] = starts[s0], starts[s1]
                    out = dependences[row]
                _describe_items(
                    zone_keys[family],
                    ranges,
                    _ONE,
                    n_voxels,
                    n_levels,
                    shifts[family],
                    tables,
                    scratch,
                    lists,
                    clog,
                    out,
                )
            n_matrices += 1.0
            n_differences += _differences(
                levels,
                starts[s0],
                starts[s1],
                total,
                number,
                level_counts,
                level_sums,
                level_used,
                differences[row],
            )
        _divide(zones[row], n_matrices)
        _divide(distances[row], n_matrices)
        _divide(dependences[row], n_matrices)
        _divide(differences[row], n_differences)
    return runs, zones, distances, differences, dependences
