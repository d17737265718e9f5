"""Loops of the digital phantom: heart shape on a grid, attenuation, projection, OSEM.

Images are stored (y, x, z) with z innermost, float32: each inner loop runs along z and
vectorises. ``pixels`` lists the (y, x) of the columns inside the body.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mpss_lib.volume import FloatArray, IntArray

Float32Array = NDArray[np.float32]


@njit(cache=True, error_model="numpy", nogil=True)
def paint_heart(
    affine: FloatArray, shape: IntArray, box: IntArray, heart: FloatArray, sub: int
) -> Float32Array:
    """Volume fraction of each voxel in (wall, cavity, right wall, right cavity).

    ``affine`` maps (z, y, x, 1) to LPS mm; ``box`` is ((z0, z1), (y0, y1), (x0, x1)), outside of
    which nothing is painted; ``heart`` is ``Heart.vector``; ``sub`` samples along each axis.
    """
    out = np.zeros((4, shape[0], shape[1], shape[2]), np.float32)
    weight = 1.0 / (sub * sub * sub)
    r_endo, long_endo, wall, wall_apex = heart[12], heart[13], heart[14], heart[15]
    reach = 1.35 * (long_endo + r_endo + wall) + 60.0
    for z in range(box[0, 0], box[0, 1]):
        for y in range(box[1, 0], box[1, 1]):
            for x in range(box[2, 0], box[2, 1]):
                for k in range(sub * sub * sub):
                    fz = z + (k // (sub * sub) + 0.5) / sub - 0.5
                    fy = y + (k // sub % sub + 0.5) / sub - 0.5
                    fx = x + (k % sub + 0.5) / sub - 0.5
                    px = affine[0, 0] * fz + affine[0, 1] * fy + affine[0, 2] * fx
                    py = affine[1, 0] * fz + affine[1, 1] * fy + affine[1, 2] * fx
                    pz = affine[2, 0] * fz + affine[2, 1] * fy + affine[2, 2] * fx
                    px += affine[0, 3] - heart[0]
                    py += affine[1, 3] - heart[1]
                    pz += affine[2, 3] - heart[2]
                    if px * px + py * py + pz * pz > reach * reach:
                        continue
                    t = px * heart[3] + py * heart[4] + pz * heart[5]
                    a = px * heart[6] + py * heart[7] + pz * heart[8]
                    s = px * heart[9] + py * heart[10] + pz * heart[11]
                    if t < heart[16] + heart[17] * s + heart[18] * a:
                        continue
                    rho = math.sqrt(a * a + s * s)
                    c1 = 1.0
                    s1 = 0.0
                    if rho > 1e-6:
                        c1, s1 = s / rho, a / rho
                    c2, s2 = c1 * c1 - s1 * s1, 2.0 * c1 * s1
                    c3, s3 = c2 * c1 - s2 * s1, s2 * c1 + c2 * s1
                    c4, s4 = c2 * c2 - s2 * s2, 2.0 * c2 * s2
                    swell = 1.0 + heart[19] * c2 + heart[20] * s2 + heart[21] * c3
                    swell += heart[22] * s3 + heart[23] * c4 + heart[24] * s4
                    q = rho / swell
                    e = (q / (r_endo + wall)) ** 2 + (t / (long_endo + wall_apex)) ** 2
                    if e < 1.0:
                        if (q / r_endo) ** 2 + (t / long_endo) ** 2 < 1.0:
                            out[1, z, y, x] += weight
                        else:
                            out[0, z, y, x] += weight
                        continue
                    u, v, w = t - heart[25], a - heart[26], s - heart[27]
                    if (u / heart[28]) ** 2 + (v / heart[29]) ** 2 + (w / heart[30]) ** 2 < 1.0:
                        m = heart[31]
                        inner = (u / (heart[28] - m)) ** 2 + (v / (heart[29] - m)) ** 2
                        inner += (w / (heart[30] - m)) ** 2
                        if inner < 1.0:
                            out[3, z, y, x] += weight
                        else:
                            out[2, z, y, x] += weight
    return out


@njit(cache=True, error_model="numpy", nogil=True)
def paint_organs(
    organs: FloatArray,
    origin: FloatArray,
    voxel_mm: float,
    activity: Float32Array,
    mu: Float32Array,
) -> None:
    """Paint ellipsoids in order, the later over the earlier, at voxel centres.

    A row of ``organs`` is (centre x y z, semi-axes x y z, activity, mu per mm); ``origin`` is
    the position (x, y, z) of the first voxel.
    """
    for y in range(activity.shape[0]):
        py = origin[1] + y * voxel_mm
        for x in range(activity.shape[1]):
            px = origin[0] + x * voxel_mm
            for n in range(organs.shape[0]):
                flat = ((px - organs[n, 0]) / organs[n, 3]) ** 2
                flat += ((py - organs[n, 1]) / organs[n, 4]) ** 2
                if flat >= 1.0:
                    continue
                half = organs[n, 5] * math.sqrt(1.0 - flat)
                low = (organs[n, 2] - half - origin[2]) / voxel_mm
                high = (organs[n, 2] + half - origin[2]) / voxel_mm
                first = max(0, math.ceil(low))
                last = min(activity.shape[2] - 1, math.floor(high))
                for z in range(first, last + 1):
                    activity[y, x, z] = organs[n, 6]
                    mu[y, x, z] = organs[n, 7]


@njit(cache=True, error_model="numpy", nogil=True)
def attenuation(
    mu: Float32Array, pixels: IntArray, angles: FloatArray, voxel_mm: float
) -> Float32Array:
    """Survival of photons from each body column to the detector: (view, pixel, z).

    The line integral is swept from the detector's side, row by row (or column by column), each
    value from the two neighbours that the ray passes between.
    """
    n, nz = mu.shape[0], mu.shape[2]
    out = np.empty((angles.size, pixels.shape[0], nz), np.float32)
    depth = np.zeros((n, n, nz), np.float32)
    for view in range(angles.size):
        nx, ny = math.cos(angles[view]), math.sin(angles[view])
        along_y = abs(ny) >= abs(nx)
        major, minor = (ny, nx) if along_y else (nx, ny)
        step = 1 if major > 0 else -1
        slope = minor / abs(major)
        half = np.float32(0.5 * voxel_mm / abs(major))
        depth[:] = 0.0
        for k in range(1, n):
            row = n - 1 - k if step > 0 else k
            for i in range(n):
                at = i + slope
                j = math.floor(at)
                if j < 0 or j + 1 >= n:
                    continue
                f = np.float32(at - j)
                g = np.float32(1.0) - f
                if along_y:
                    here, m0, m1 = mu[row, i], mu[row + step, j], mu[row + step, j + 1]
                    to, d0, d1 = depth[row, i], depth[row + step, j], depth[row + step, j + 1]
                else:
                    here, m0, m1 = mu[i, row], mu[j, row + step], mu[j + 1, row + step]
                    to, d0, d1 = depth[i, row], depth[j, row + step], depth[j + 1, row + step]
                for z in range(nz):
                    to[z] = g * (d0[z] + half * m0[z]) + f * (d1[z] + half * m1[z])
                    to[z] += half * here[z]
        for p in range(pixels.shape[0]):
            line = depth[pixels[p, 0], pixels[p, 1]]
            for z in range(nz):
                out[view, p, z] = math.exp(-line[z])
    return out


@njit(cache=True, error_model="numpy", nogil=True)
def acquire(
    activity: Float32Array,
    survival: Float32Array,
    pixels: IntArray,
    angles: FloatArray,
    orbit_mm: FloatArray,
    voxel_mm: float,
) -> Float32Array:
    """Noise-free projections (view, u, z) with attenuation and depth-dependent blur.

    The collimator's response has SD 1.6 + 0.0185 d mm at distance d. Planes are added from the
    far side; before each, what is gathered so far is blurred by the difference of the variances,
    a three-tap filter along u and along z.
    """
    n, nz = activity.shape[0], activity.shape[2]
    out = np.empty((angles.size, n, nz), np.float32)
    shown = np.zeros((n, n, nz), np.float32)
    plane = np.empty((n, nz), np.float32)
    other = np.empty((n, nz), np.float32)
    middle = 0.5 * (n - 1)
    for view in range(angles.size):
        nx, ny = math.cos(angles[view]), math.sin(angles[view])
        for p in range(pixels.shape[0]):
            y, x = pixels[p, 0], pixels[p, 1]
            for z in range(nz):
                shown[y, x, z] = activity[y, x, z] * survival[view, p, z]
        plane[:] = 0.0
        reach = min(int(orbit_mm[view] / voxel_mm), n // 2)
        for v in range(-(n // 2), reach + 2):
            distance = orbit_mm[view] - v * voxel_mm
            before = (1.6 + 0.0185 * (distance + voxel_mm)) / voxel_mm
            now = (1.6 + 0.0185 * distance) / voxel_mm if v <= reach else 0.0
            variance = before * before - now * now
            side = np.float32(0.5 * variance)
            centre = np.float32(1.0 - variance)
            for u in range(n):
                low, high = plane[max(u - 1, 0)], plane[min(u + 1, n - 1)]
                for z in range(nz):
                    other[u, z] = centre * plane[u, z] + side * (low[z] + high[z])
            for u in range(n):
                plane[u, 0] = centre * other[u, 0] + side * (other[u, 0] + other[u, 1])
                for z in range(1, nz - 1):
                    plane[u, z] = centre * other[u, z]
                    plane[u, z] += side * (other[u, z - 1] + other[u, z + 1])
                plane[u, nz - 1] = centre * other[u, nz - 1]
                plane[u, nz - 1] += side * (other[u, nz - 2] + other[u, nz - 1])
            if v > reach:
                continue
            for u in range(n):
                px = middle + v * nx - (u - middle) * ny
                py = middle + v * ny + (u - middle) * nx
                x, y = math.floor(px), math.floor(py)
                if x < 0 or y < 0 or x + 1 >= n or y + 1 >= n:
                    continue
                fx, fy = np.float32(px - x), np.float32(py - y)
                one = np.float32(1.0)
                w00, w01 = (one - fy) * (one - fx), (one - fy) * fx
                w10, w11 = fy * (one - fx), fy * fx
                s00, s01 = shown[y, x], shown[y, x + 1]
                s10, s11 = shown[y + 1, x], shown[y + 1, x + 1]
                line = plane[u]
                for z in range(nz):
                    line[z] += w00 * s00[z] + w01 * s01[z] + w10 * s10[z] + w11 * s11[z]
        out[view] = plane
    return out


@njit(cache=True, error_model="numpy", nogil=True)
def osem(
    counts: Float32Array,
    survival: Float32Array,
    pixels: IntArray,
    angles: FloatArray,
    iterations: int,
    subsets: int,
) -> Float32Array:
    """Ordered-subsets expectation maximisation: image (pixel, z) of the body columns.

    Pixel-driven projector with linear interpolation in u, and its exact transpose; attenuation by
    ``survival`` (ones: none), no model of the collimator (Hudson and Larkin 1994).
    """
    n, nz = counts.shape[1], counts.shape[2]
    n_pixels = pixels.shape[0]
    image = np.ones((n_pixels, nz), np.float32)
    update = np.empty((n_pixels, nz), np.float32)
    weight = np.empty((n_pixels, nz), np.float32)
    ratio = np.empty((n, nz), np.float32)
    middle = 0.5 * (n - 1)
    tiny = np.float32(1e-6)
    for _ in range(iterations):
        for subset in range(subsets):
            update[:] = 0.0
            weight[:] = 0.0
            for view in range(subset, angles.size, subsets):
                nx, ny = math.cos(angles[view]), math.sin(angles[view])
                ratio[:] = 0.0
                for p in range(n_pixels):
                    at = middle + (pixels[p, 0] - middle) * nx - (pixels[p, 1] - middle) * ny
                    u = min(max(math.floor(at), 0), n - 2)
                    f = np.float32(min(max(at - u, 0.0), 1.0))
                    g = np.float32(1.0) - f
                    seen, low, high = survival[view, p], ratio[u], ratio[u + 1]
                    for z in range(nz):
                        value = image[p, z] * seen[z]
                        low[z] += g * value
                        high[z] += f * value
                for u in range(n):
                    for z in range(nz):
                        ratio[u, z] = counts[view, u, z] / max(ratio[u, z], tiny)
                for p in range(n_pixels):
                    at = middle + (pixels[p, 0] - middle) * nx - (pixels[p, 1] - middle) * ny
                    u = min(max(math.floor(at), 0), n - 2)
                    f = np.float32(min(max(at - u, 0.0), 1.0))
                    g = np.float32(1.0) - f
                    seen, low, high = survival[view, p], ratio[u], ratio[u + 1]
                    for z in range(nz):
                        update[p, z] += seen[z] * (g * low[z] + f * high[z])
                        weight[p, z] += seen[z]
            for p in range(n_pixels):
                for z in range(nz):
                    image[p, z] *= update[p, z] / max(weight[p, z], tiny)
    return image
