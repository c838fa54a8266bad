# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of Winograd share: its tiles and error bound, random cases, calls that prove what ran.

`check` is that of cases.py with Winograd's bound, and the proof that Winograd ran, by the instruction set
that was forced. The line that it prints where a case fails runs with this file in the place of cases.py:

    cd tests && python -c "from winograd_cases import *; check(Case((5, 7), (3, 3)), algorithm='winograd')"
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import random
import sys
from collections.abc import Iterator
from math import inf  # `from winograd_cases import *` gives it to the printed cases
from typing import Any

import cases
import numpy as np
import reference
from cases import Case, Solution
from reference import Array

__all__ = ["Case", "check", "inf"]

ALGORITHMS = {"winograd_f2": 2, "winograd": 4, "winograd_f6": 6}  # outputs of a whole tile along an axis
KERNEL = (3, 3)
# The largest error on random data, in units of u max_tile|x| sum|w|, a few times over what was seen: with few
# channels. The bound that holds for all data, `coefficient`, is a hundred times as large and more.
TYPICAL = {"winograd_f2": 8, "winograd": 80, "winograd_f6": 350}
RANGE = 256  # a tile's patch may exceed what one of its outputs sees by this factor
LEAST = {"float32": 2.0**-80, "float64": 2.0**-960}  # smaller magnitudes would underflow in the transforms
MOST = {"float32": 2.0**120, "float64": 2.0**1016}  # larger weights would overflow in them
CHANNELS = (1, 1, 1, 2, 3, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 70)


# ---- tiles and their bound ---------------------------------------------------------------------------------


def tiles(outputs: int, big: int) -> list[tuple[int, int]]:
    """(first output, number of outputs) of the tiles along an axis: whole ones and a smaller one."""
    return [(first, min(big, outputs - first)) for first in range(0, outputs, big)]


def over_tiles(a: Array, big: int, reach: int) -> Array:
    """For each output pixel the maximum over its tile, or with `reach` = 2 over its tile's input patch.

    `a` is (..., height, width) of the outputs, or of the padded input.
    """
    for axis in (-2, -1):
        a = np.moveaxis(a, axis, -1)
        pieces = [
            np.repeat(a[..., first : first + m + reach].max(-1, keepdims=True), m, -1)
            for first, m in tiles(a.shape[-1] - reach, big)
        ]
        a = np.moveaxis(np.concatenate(pieces, -1), -1, axis)
    return a


def finite(a: Array) -> Array:
    """`a` with zeros for what is not finite."""
    return np.where(np.isfinite(a), a, a.dtype.type(0))


def magnitudes(x: Array, padding: Any, mode: str = "zeros", groups: int = 1) -> Array:
    """The largest |x| over the channels of a group, (batch, groups, height, width) with the border."""
    pads = reference.paddings(padding, x.shape[2:], KERNEL)
    a = reference.pad(abs(x), pads, mode)
    return a.reshape(len(a), groups, -1, *a.shape[2:]).max(2)


def fields(a: Array) -> Array:
    """The maximum over the receptive field of each output."""
    return np.lib.stride_tricks.sliding_window_view(a, KERNEL, (-2, -1)).max((-2, -1))


def of_outputs(a: Array, sums: Array) -> Array:
    """(batch, groups, height, width) x a number per output channel: (batch, channels, height, width)."""
    product = a[:, :, None] * sums.reshape(a.shape[1], -1, 1, 1)
    return product.reshape(len(a), len(sums), *a.shape[2:])


def coefficient(algorithm: str, w: Array) -> float:
    """The c of |y - y*| <= c u max_tile|x| sum|w|."""
    from npconv import _core

    return float(_core._winograd_bound(ALGORITHMS[algorithm], w.shape[1]))


def unit(dtype: Any) -> float:
    """The unit roundoff."""
    return float(np.finfo(dtype).eps) / 2


def tile_unit(
    algorithm: str, x: Array, w: Array, padding: Any, mode: str = "zeros", groups: int = 1
) -> Array:
    """u max_tile|x| sum|w| for each output, u that of the dtype of x; x is batched, channels first.

    Numbers below the smallest normal one count as that, and so do products: what is rounded there is rounded
    as coarsely. Those that are not finite count as zeros: their tile is computed directly.
    """
    tiny = np.finfo(x.dtype).tiny

    def sizes(a: Array) -> Array:
        return np.maximum(abs(finite(a).astype(np.float64)), tiny) * (a != 0)

    largest = over_tiles(magnitudes(sizes(x), padding, mode, groups), ALGORITHMS[algorithm], 2)
    return unit(x.dtype) * (of_outputs(largest, sizes(w).sum((1, 2, 3))) + w[0].size * tiny)


def flagged(algorithm: str, x: Array, padding: Any, mode: str = "zeros", groups: int = 1) -> Array:
    """Which outputs are in tiles to be recomputed, but for overflow: (batch, groups, height, width)."""
    big = ALGORITHMS[algorithm]
    a = magnitudes(np.where(np.isfinite(x), x, np.inf).astype(np.float64), padding, mode, groups)
    seen = fields(a)
    smallest = -over_tiles(-seen, big, 0)
    largest = over_tiles(a, big, 2)
    with np.errstate(invalid="ignore"):
        return np.isinf(largest) | (largest > RANGE * smallest)


# ---- what is right -----------------------------------------------------------------------------------------


def steepness(activation: reference.Activation) -> float:
    """How many times an error before the activation may be as large after it."""
    if activation is None:
        return 1
    name, *numbers = (activation,) if isinstance(activation, str) else activation
    if name == "leaky_relu":
        return max(1.0, *map(abs, numbers)) if numbers else 1
    return 1.0 if name in reference.EXACT_ACTIVATIONS else 1.5


def solve(case: Case, dtype: str, algorithm: str) -> Solution:
    """The solution of a case, with the error that Winograd may have on such data, or exact.

    Small integers leave F(2x2, 3x3) nothing to round: its matrices hold halves and whole numbers, and what it
    adds is in quarters.
    """
    right = cases.solve(case, dtype)
    if case.exact and algorithm == "winograd_f2":
        return right
    data = cases.arrays(case)
    lead = 1 if case.batch is None or case.single else case.batch
    x = data.x.astype(dtype).reshape(lead, case.cin, *case.spatial)
    w = data.w.astype(dtype).reshape(case.cout, -1, *KERNEL)
    allowed = TYPICAL[algorithm] * tile_unit(algorithm, x, w, case.padding, case.mode, case.groups)
    if case.data == "flat":  # the same in every channel: so are the roundings, which add up
        allowed *= 4
    # Bias and residual are one more sum each.
    if data.bias is not None:
        allowed += 4 * unit(dtype) * abs(finite(data.bias))[:, None, None]
    if data.residual is not None:
        allowed += 4 * unit(dtype) * abs(finite(data.residual)).reshape(allowed.shape)
    allowed = allowed.reshape(right.y.shape) * steepness(case.activation)
    if not reference.is_exact(case.activation):
        allowed = allowed + (cases.ACTIVATION_ULPS + 1) * np.spacing(abs(finite(right.y)).astype(dtype))
    return Solution(right.y, allowed)


# ---- running npconv ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def winograd_runs(wanted: bool = True) -> Iterator[None]:
    """Fail unless inside the block the instruction set in use ran, no other one, and Winograd (or not)."""
    from npconv import _core

    before = _core._kernel_runs()
    yield
    ran = {name for name, runs in _core._kernel_runs().items() if runs > before.get(name, 0)}
    assert ran == {_core._isa()} | ({"winograd"} if wanted else set()), f"the kernels that ran are {ran}"


def fit(w: Array) -> bool:
    """May weights be transformed? Those that are not finite, too large, or all tiny, are left to gemm."""
    largest = abs(w).max(initial=0)
    return bool(largest <= MOST[w.dtype.name] and (largest == 0 or largest >= LEAST[w.dtype.name]))


def conv(algorithm: str, x: Array, w: Array, bias: Array | None = None, **keywords: Any) -> Array:
    """npconv.conv2d, and the proof that Winograd ran where it can."""
    import npconv

    with winograd_runs(algorithm != "gemm" and fit(w)):
        return npconv.conv2d(x, w, bias, algorithm=algorithm, **keywords)


@contextlib.contextmanager
def fallbacks(expected: bool) -> Iterator[None]:
    """Fail unless some tile is recomputed directly inside the block, or none."""
    from npconv import _core

    before = _core._winograd_fallback_tiles()
    yield
    assert (_core._winograd_fallback_tiles() > before) == expected


def check(case: Case, *, algorithm: str, solution: Solution | None = None, **call: Any) -> None:
    """cases.check, with the bound of Winograd and the proof that it ran."""
    if solution is None:
        solution = solve(case, call.get("dtype", "float32"), algorithm)
    wanted = fit(cases.arrays(case).w.astype(call.get("dtype", "float32")))
    isa = call.get("isa")
    with cases.forced(isa) if isa else contextlib.nullcontext(), winograd_runs(wanted):
        cases.check(case, algorithm=algorithm, solution=solution, **call)


def in_layout(a: Array, layout: str) -> Array:
    """(batch, C, height, width) in the memory of a layout."""
    return np.ascontiguousarray(np.moveaxis(a, 1, -1) if layout == "channels_last" else a)


def channels_first(a: Array, layout: str) -> Array:
    """The same array with its channels first."""
    return np.moveaxis(a, -1, 1) if layout == "channels_last" else a


# ---- random cases ------------------------------------------------------------------------------------------


def random_case(r: random.Random, data: str | None = None, *, macs: int = 400_000) -> Case:
    """A case that Winograd can serve, over all other arguments, mostly small; `data` as in `Case`."""
    while True:
        case = _random_shape(r)
        if case.macs <= macs:
            break
    extras: dict[str, Any] = {"data": data or r.choice(("normal", "normal", "ints", "flat", "nonfinite"))}
    extras["seed"] = r.randrange(2**31)
    for name in ("flip", "bias", "residual"):
        extras[name] = r.random() < 0.4
    if r.random() < 0.4:
        extras["activation"] = r.choice(cases.EXACT_ACTIVATIONS + cases.INEXACT_ACTIVATIONS)
    return dataclasses.replace(case, **extras)


def _random_shape(r: random.Random) -> Case:
    padding: Any = r.choice(cases.PADDING_NAMES)
    if r.random() < 0.6:
        padding = r.choice((0, 1, 1, 1, 2, 3, 7))
        if r.random() < 0.5:
            padding = tuple((r.randint(0, 4), r.choice((0, 1, 2, 6))) for _ in range(2))
    mode = r.choice(cases.MODES)
    least = [3, 3] if padding == "valid" else [1, 1]
    if not isinstance(padding, str):
        least = [max(1, 3 - before - after) for before, after in reference.paddings(padding, [0, 0], KERNEL)]
    more = [r.choice((0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 17, 24)) for _ in range(2)]
    if r.random() < 0.1:  # a strip
        more[r.randrange(2)] = r.randint(30, 60)
    spatial = tuple(n + m for n, m in zip(least, more, strict=True))
    if r.random() < 0.04:
        return Case(spatial, KERNEL, single=True, padding=padding, mode=mode)
    cin, cout, groups = r.choice(CHANNELS), r.choice(CHANNELS), r.choice((1, 1, 1, 1, 2, 3, 5))
    batch = r.choice((None, 1, 1, 2, 3, 5))
    return Case(spatial, KERNEL, batch, cin * groups, cout * groups, groups, padding=padding, mode=mode)


@functools.cache
def random_cases(seed: int, count: int, data: str | None = None) -> list[Case]:
    r = random.Random(seed)
    return [random_case(r, data) for _ in range(count)]


def guarded_cases(isa: str, count: int, seed: int) -> None:
    """For a child of test_winograd_guard_pages.py: random cases with every array against a guard page."""
    import guarded

    for i, case in enumerate(random_cases(seed, count)):
        algorithm = list(ALGORITHMS)[i % 3]
        dtype, layout = cases.DTYPES[i // 3 % 2], cases.LAYOUTS[i // 6 % 2]
        side = (guarded.AFTER, guarded.BEFORE)[i // 12 % 2]
        how: dict[str, Any] = {"algorithm": algorithm, "solution": solve(case, dtype, algorithm)}
        # Said first: a fault leaves no other trace.
        line = f"{case!r}, {isa!r}, {dtype!r}, {layout!r}, {side}, algorithm={algorithm!r}"
        print(line, file=sys.stderr, flush=True)
        guarded.run(case, isa, dtype, layout, side, **how)
    print(f"guarded cases: {count}")
