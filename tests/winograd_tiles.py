# SPDX-License-Identifier: BSD-3-Clause
"""Winograd's tiles, for the tests: which there are and which input they meet, and which are left to gemm.

Written from the definition: of an axis the extension says which transform it takes and how many runs and
phases there are (`axes`); where the tiles lie follows from that. What it should say is written from the rules
(`choice`). A convolution is described by a `Case`.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import reference
from cases import Case
from reference import Array

RANGE = 256  # a tile's input may exceed what one of its outputs sees by this factor
Shape3 = tuple[int, int, int]


def case_of(x: Array, w: Array, **how: Any) -> Case:
    """The case that a call of npconv describes, for x with a batch and its channels first."""
    names = {"padding_mode": "mode"} | {n: n for n in ("stride", "padding", "dilation", "groups")}
    shape = {names[name]: value for name, value in how.items() if name in names}
    return Case(x.shape[2:], w.shape[2:], len(x), x.shape[1], len(w), **shape)


def lifted(case: Case, values: Any, missing: int = 1) -> Shape3:
    """Numbers for depth, height and width from those of the last axes, or one for all of these."""
    return (*[missing] * (3 - case.rank), *reference.per_axis(values, case.rank))  # type: ignore[return-value]


def axes(algorithm: str, case: Case) -> tuple[dict[str, int], ...]:
    """How depth, height and width are cut."""
    numbers = (lifted(case, v) for v in (case.pixels, case.kernel, case.stride, case.dilation))
    return _axes(algorithm, case.cin // case.groups, *numbers)


@functools.cache
def _axes(algorithm: str, channels: int, *numbers: Shape3) -> tuple[dict[str, int], ...]:
    from npconv import _core

    return tuple(_core._winograd_axes(*numbers, channels, algorithm))


def products(algorithm: str, case: Case) -> int:
    """That are summed at a point."""
    factors = [axis["runs"] * axis["input_phases"] for axis in axes(algorithm, case)]
    return case.cin // case.groups * math.prod(factors)


def coefficient(algorithm: str, case: Case) -> float:
    """The c of |y - y*| <= c u max_tile|x| sum|w|."""
    from npconv import _core

    cut = axes(algorithm, case)
    transforms = [(axis["points"], axis["taps"]) for axis in cut]
    step = 16 * math.prod(
        axis["runs"] for axis in cut
    )  # a vector of channels, at most, over all runs of taps
    return float(_core._winograd_bound(transforms, products(algorithm, case), step))


# ---- where tiles lie ---------------------------------------------------------------------------------------


class Places(NamedTuple):
    """Of each output along an axis: its tile, and the padded input's places that tile and output meet."""

    tile: Array
    reach: Array
    field: Array


def places(algorithm: str, case: Case) -> list[Places]:
    numbers = (lifted(case, v) for v in (case.pixels, case.kernel, case.stride))
    cut = axes(algorithm, case)
    return [_places(axis, *n) for axis, *n in zip(cut, *numbers, strict=True)]


def _places(cut: dict[str, int], outputs: int, kernel: int, stride: int) -> Places:
    whole, phases = cut["outputs"], cut["output_phases"]
    output = np.arange(outputs)
    phase, number = output % phases, output // phases
    tile = number // whole
    size = np.full(outputs, whole)
    if not cut["alike"]:  # the last one has no more outputs than there are
        size = np.minimum(size, outputs - tile * whole)
    steps = stride * ((cut["runs"] - 1) * whole + size + cut["taps"] - 1)
    offsets = np.arange(steps.max())
    offsets = offsets[offsets % stride < kernel]  # others are in no phase of the input
    offsets = np.where(offsets < steps[:, None], offsets, 0)
    first = phase + max(stride, phases) * whole * tile
    field = output[:, None] * stride + np.arange(kernel) * phases
    return Places(tile * phases + phase, first[:, None] + phases * offsets, field)


def magnitudes(algorithm: str, case: Case, x: Array) -> Array:
    """The largest |x| of a group's channels, (batch, groups, depth, height, width): all that tiles meet."""
    pads = reference.paddings(case.padding, case.spatial, case.kernel, case.stride, case.dilation)
    last = [int(p.reach.max(initial=0)) for p in places(algorithm, case)][3 - case.rank :]
    wider = [
        (before, max(after, end + 1 - n - before))
        for n, end, (before, after) in zip(case.spatial, last, pads, strict=True)
    ]
    a = reference.pad(abs(x).reshape(len(x), case.groups, -1, *case.spatial).max(2), wider, case.mode)
    return a.reshape(*a.shape[:2], *[1] * (3 - case.rank), *a.shape[2:])


def most(a: Array, where: list[Array]) -> Array:
    """The maximum over boxes of the last three axes, of places along each of them."""
    for axis, positions in zip((-3, -2, -1), where, strict=True):
        taken = np.moveaxis(a, axis, -1)[..., positions].max(-1)
        a = np.moveaxis(taken, -1, axis)
    return a


def over_reach(algorithm: str, case: Case, a: Array) -> Array:
    """For each output the maximum over its tile's input."""
    return most(a, [p.reach for p in places(algorithm, case)])


def over_fields(algorithm: str, case: Case, a: Array) -> Array:
    """For each output the maximum over its receptive field."""
    return most(a, [p.field for p in places(algorithm, case)])


def least_of_tile(algorithm: str, case: Case, a: Array) -> Array:
    """For each output the minimum over its tile's outputs."""
    together = []
    for p in places(algorithm, case):
        same = [np.flatnonzero(p.tile == tile) for tile in p.tile]
        longest = max(map(len, same))
        together.append(np.array([np.resize(s, longest) for s in same]))
    return -most(-a, together)


def like_outputs(case: Case, a: Array) -> Array:
    """The last three axes as the case has them."""
    return a.reshape(*a.shape[:-3], *a.shape[-3:][3 - case.rank :])


# ---- what follows ------------------------------------------------------------------------------------------


def finite(a: Array) -> Array:
    """`a` with zeros for what is not finite."""
    return np.where(np.isfinite(a), a, a.dtype.type(0))


def unit(dtype: Any) -> float:
    """The unit roundoff."""
    return float(np.finfo(dtype).eps) / 2


def tile_unit(algorithm: str, case: Case, x: Array, w: Array) -> Array:
    """u max_tile|x| sum|w| for each output, u that of the dtype of x; x is batched, channels first.

    Numbers below the smallest normal one count as that, and so do products: what is rounded there is rounded
    as coarsely. Those that are not finite count as zeros: their tile is computed directly.
    """
    tiny = np.finfo(x.dtype).tiny

    def sizes(a: Array) -> Array:
        return np.maximum(abs(finite(a).astype(np.float64)), tiny) * (a != 0)

    largest = over_reach(algorithm, case, magnitudes(algorithm, case, sizes(x)))
    sums = sizes(w).reshape(len(w), -1).sum(1).reshape(case.groups, -1)
    product = largest[:, :, None] * sums[:, :, None, None, None]
    product = like_outputs(case, product.reshape(len(x), len(w), *largest.shape[2:]))
    return unit(x.dtype) * (product + w[0].size * tiny)


def flagged(algorithm: str, case: Case, x: Array) -> Array:
    """Which outputs are in tiles to be recomputed, but for overflow: (batch, groups, *pixels)."""
    loud = np.where(np.isfinite(x), x, np.inf).astype(np.float64)
    a = magnitudes(algorithm, case, loud)
    quietest = least_of_tile(algorithm, case, over_fields(algorithm, case, a))
    loudest = over_reach(algorithm, case, a)
    with np.errstate(invalid="ignore"):
        return like_outputs(case, np.isinf(loudest) | (loudest > RANGE * quietest))


def flagged_outputs(algorithm: str, case: Case, x: Array) -> Array:
    """The same for each output channel: (batch, cout, *pixels)."""
    return np.repeat(flagged(algorithm, case, x), case.cout // case.groups, 1)


# ---- which tiles there are ---------------------------------------------------------------------------------

MOST_RUNS, MOST_TAPS, MOST_PRODUCTS = 64, 1000, 10**9
MOST_ERROR = 26  # expected, in units of u: 1.55e-6 of float32
Transform = tuple[int, int]  # points and taps
# By how many taps an axis has: the transforms of small, middle and large tiles; longer kernels in runs.
TRANSFORMS: dict[int, tuple[Transform, Transform, Transform]] = {
    1: ((1, 1), (1, 1), (1, 1)),
    2: ((6, 2), (6, 2), (6, 2)),
    3: ((6, 3), (6, 3), (8, 3)),
    4: ((6, 4), (7, 4), (7, 4)),
    5: ((6, 5), (7, 5), (8, 5)),
    6: ((6, 3), (7, 4), (9, 6)),
    7: ((6, 3), (7, 4), (9, 7)),
}


def transforms(taps: int) -> tuple[Transform, Transform, Transform]:
    if taps in TRANSFORMS:
        return TRANSFORMS[taps]
    # The large ones are of five taps where those take fewer products for an output.
    fewer = 9 / 5 * -(-taps // 5) < 7 / 4 * -(-taps // 4)
    return (6, 3), (7, 4), (9, 5) if fewer else (7, 4)


@functools.cache
def noise(points: int, taps: int) -> float:
    """The variance of what an output is summed from, over its own: of data and weights of mean 0."""
    from npconv import _core

    found = _core._winograd_matrices(points, taps, points - taps + 1)
    at, g, bt = (np.square(found[name]) for name in ("at", "g", "bt"))
    return float((at @ (g.sum(1) * bt.sum(1))).mean()) / taps


class Tiles(NamedTuple):
    """Along an axis."""

    transform: Transform
    outputs: int
    runs: int

    @property
    def products(self) -> float:
        """For an output, on large maps."""
        return (self.outputs + self.transform[1] - 1) * self.runs / self.outputs


def tiles(transform: Transform, taps: int, outputs: int, phases: int) -> Tiles:
    """Of so many taps, and outputs in so many phases."""
    points, most = transform
    runs = -(-taps // most)
    if runs > 1:  # the next run meets the input of the next tile
        return Tiles(transform, most, runs)
    if phases > 1:
        return alike(transform, -(-outputs // phases))
    return Tiles(transform, points - most + 1, runs)


def alike(transform: Transform, outputs: int) -> Tiles:
    """Whole tiles only, of the fewest points."""
    points, taps = transform
    sizes = range(points - taps + 1, 0, -1)
    return Tiles(transform, min(sizes, key=lambda m: -(-outputs // m) * (m + taps - 1)), 1)


def by_tiles(case: Case) -> bool:
    """Are the channels so few that vectors hold tiles? Then these are all alike."""
    kernels, strides, dilations = (lifted(case, v) for v in (case.kernel, case.stride, case.dilation))
    phases = math.prod(map(min, kernels, strides))
    return phases > 1 and case.cin // case.groups <= 8 and (dilations[2] == 1 or kernels[2] == 1)


def fine(cut: list[Tiles], products: int) -> bool:
    """Are runs and expected error within their limits? `products` are those of one run."""
    runs = math.prod(axis.runs for axis in cut)
    products *= runs
    block = max(32, 16 * runs)  # so many are summed at a time at least: a vector of channels, over all runs
    variance = math.prod(noise(*axis.transform) for axis in cut)
    error = math.sqrt(variance * (1.4 + 0.1 * (min(products, block) + -(-products // block))))
    return runs <= MOST_RUNS and error <= MOST_ERROR


def choice(case: Case) -> list[Tiles] | None:
    """The tiles that "winograd" takes, or none: of those whose error is fine, the fewest products.

    Small, middle, large ones, and the latter two of the width where the taps of the height are summed, as
    those of the depth always are. Written from the rules, not asked of the extension.
    """
    taps, kernels = taps_of_phase(case), lifted(case, case.kernel)
    phases = [d if k > 1 else 1 for d, k in zip(lifted(case, case.dilation), kernels, strict=True)]
    small, middle, large = zip(*(transforms(n) for n in taps[1:]), strict=True)
    summed = [((1, 1), size[1]) for size in (middle, large)] if taps[2] > 1 else []
    channels = case.cin // case.groups
    products = channels * math.prod(map(min, kernels, lifted(case, case.stride)))
    best: list[Tiles] | None = None
    for pair in (small, *summed, middle, large):
        cut = list(map(tiles, ((1, 1), *pair), taps, lifted(case, case.pixels), phases))
        if fine(cut, products) and (best is None or of_output(cut) < of_output(best)):
            best = cut
    if best is not None and by_tiles(case):
        for i, outputs in enumerate(lifted(case, case.pixels)):
            if i > 0 and best[i].runs == phases[i] == 1:
                best[i] = alike(best[i].transform, outputs)
    return best


def of_output(cut: list[Tiles]) -> float:
    return math.prod(axis.products for axis in cut)


def taps_of_phase(case: Case) -> Shape3:
    """Of the input, along depth, height and width."""
    kernels, strides = lifted(case, case.kernel), lifted(case, case.stride)
    taps = (-(-k // min(s, k)) for k, s in zip(kernels, strides, strict=True))
    return tuple(taps)  # type: ignore[return-value]


def served(algorithm: str, case: Case) -> bool:
    """Whether there are tiles for the shape of a case: written from the rules as well."""
    numbers = (lifted(case, v) for v in (case.pixels, case.kernel, case.stride, case.dilation))
    for outputs, kernel, stride, dilation in zip(*numbers, strict=True):
        if kernel > 1 and dilation > 1 and (stride > 1 or dilation >= outputs):
            return False
    taps = taps_of_phase(case)
    direct = case.cin // case.groups * math.prod(case.kernel)
    if max(taps) > MOST_TAPS or direct > MOST_PRODUCTS or max(taps[1:]) == 1:
        return False
    if algorithm != "winograd":  # nothing is promised of their error
        return {*taps[1:]} <= {1, 3} and taps[0] <= MOST_RUNS
    return choice(case) is not None
