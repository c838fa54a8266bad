# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of Winograd share: what is right, random cases, calls that prove what ran.

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
import pretended
import reference
from cases import Case, Solution
from reference import Array
from winograd_tiles import finite, served, tile_unit, unit

__all__ = ["Case", "check", "inf"]

ALGORITHMS = {"winograd_f2": 2, "winograd": 4, "winograd_f6": 6}  # outputs of a 3x3 tile along an axis
KERNEL = (3, 3)
# The largest error on random data, in units of u max_tile|x| sum|w|, a few times over what was seen: with few
# channels. The bound that holds for all data, `winograd_tiles.coefficient`, is far larger.
TYPICAL = {"winograd_f2": 8, "winograd": 80, "winograd_f6": 350}
LEAST = {"float32": 2.0**-80, "float64": 2.0**-960}  # smaller magnitudes would underflow in the transforms
MOST = {"float32": 2.0**120, "float64": 2.0**1016}  # larger weights would overflow in them
CHANNELS = (1, 1, 1, 2, 3, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 70)


# ---- what is right -----------------------------------------------------------------------------------------


def steepness(activation: reference.Activation) -> float:
    """How many times an error before the activation may be as large after it."""
    if activation is None:
        return 1
    name, *numbers = (activation,) if isinstance(activation, str) else activation
    if name == "leaky_relu":
        return max(1.0, *map(abs, numbers)) if numbers else 1
    return 1.0 if name in reference.EXACT_ACTIVATIONS else 1.5


@functools.cache
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
    w = data.w.astype(dtype).reshape(case.cout, -1, *case.kernel)
    allowed = TYPICAL[algorithm] * tile_unit(algorithm, case, x, w)
    if case.data == "flat":  # the same in every channel: so are the roundings, which add up
        allowed *= 4
    # Bias and residual are one more sum each.
    if data.bias is not None:
        allowed += 4 * unit(dtype) * abs(finite(data.bias)).reshape(-1, *[1] * case.rank)
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
    """npconv.conv{N}d, and the proof that Winograd ran where it can."""
    import npconv

    function = getattr(npconv, f"conv{w.ndim - 2}d")
    with winograd_runs(algorithm != "gemm" and fit(w)):
        return function(x, w, bias, algorithm=algorithm, **keywords)


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
    """(batch, C, *spatial) in the memory of a layout."""
    return np.ascontiguousarray(np.moveaxis(a, 1, -1) if layout == "channels_last" else a)


def channels_first(a: Array, layout: str) -> Array:
    """The same array with its channels first."""
    return np.moveaxis(a, -1, 1) if layout == "channels_last" else a


# ---- random cases ------------------------------------------------------------------------------------------


def random_case(
    r: random.Random, data: str | None = None, *, algorithm: str | None = None, macs: int = 400_000
) -> Case:
    """A case over all other arguments, mostly small; `data` as in `Case`.

    Of a 3x3 kernel, or of any shape that `algorithm` serves.
    """
    while True:
        case = _random_3x3(r) if algorithm is None else _random_shape(r, algorithm)
        if case.macs <= macs and (algorithm is None or served(algorithm, case)):
            break
    extras: dict[str, Any] = {"data": data or r.choice(("normal", "normal", "ints", "flat", "nonfinite"))}
    extras["seed"] = r.randrange(2**31)
    for name in ("flip", "bias", "residual"):
        extras[name] = r.random() < 0.4
    if r.random() < 0.4:
        extras["activation"] = r.choice(cases.EXACT_ACTIVATIONS + cases.INEXACT_ACTIVATIONS)
    return dataclasses.replace(case, **extras)


def _random_padding(r: random.Random, rank: int) -> Any:
    if r.random() < 0.4:
        return r.choice(cases.PADDING_NAMES)
    if r.random() < 0.5:
        return tuple((r.randint(0, 4), r.choice((0, 1, 2, 6))) for _ in range(rank))
    return r.choice((0, 1, 1, 1, 2, 3, 7))


def _random_channels(r: random.Random) -> dict[str, Any]:
    cin, cout, groups = r.choice(CHANNELS), r.choice(CHANNELS), r.choice((1, 1, 1, 1, 2, 3, 5))
    batch = r.choice((None, 1, 1, 2, 3, 5))
    return {"batch": batch, "cin": cin * groups, "cout": cout * groups, "groups": groups}


def _random_3x3(r: random.Random) -> Case:
    padding, mode = _random_padding(r, 2), r.choice(cases.MODES)
    least = [3, 3] if padding == "valid" else [1, 1]
    if not isinstance(padding, str):
        least = [max(1, 3 - before - after) for before, after in reference.paddings(padding, [0, 0], KERNEL)]
    more = [r.choice((0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 17, 24)) for _ in range(2)]
    if r.random() < 0.1:  # a strip
        more[r.randrange(2)] = r.randint(30, 60)
    spatial = tuple(n + m for n, m in zip(least, more, strict=True))
    if r.random() < 0.04:
        return Case(spatial, KERNEL, single=True, padding=padding, mode=mode)
    return Case(spatial, KERNEL, **_random_channels(r), padding=padding, mode=mode)


def _random_shape(r: random.Random, algorithm: str) -> Case:
    """Of one to three axes, valid but perhaps too large, or none that the algorithm serves."""
    rank = r.choice((1, 2, 2, 3))
    kernel, strides, dilations = [], [], []
    for axis in range(rank):
        stride, dilation = r.choice((1, 1, 1, 2, 2, 3, 4)), 1
        if stride == 1 and r.random() < 0.3:
            dilation = r.choice((2, 2, 3, 5, 12))
        if algorithm == "winograd":
            largest = (15, 9, 4)[rank - 1]
            taps = r.choice((1, 2, 3, 3, 3, 4, 5, 5, 6, 7, 7, 8, 9, r.randint(10, 15)))
            taps = min(taps, largest)
        else:  # three taps of a phase, or one
            taps = stride * r.choice((0, 2, 2, 2)) + r.randint(1, stride)
        if rank == 3 and axis == 0:
            taps = r.choice((1, 2, 3, 3, 4, 5))
        kernel.append(taps)
        strides.append(stride)
        dilations.append(dilation)
    padding, mode = _random_padding(r, rank), r.choice(cases.MODES)
    extents = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    least = extents if padding == "valid" else [1] * rank
    if not isinstance(padding, str):
        pads = reference.paddings(padding, [0] * rank, kernel)
        least = [max(1, extent - sum(pad)) for extent, pad in zip(extents, pads, strict=True)]
    sizes = (0, 1, 2, 3, 5, 8, 13, 17, 24) if rank < 3 else (0, 1, 2, 3, 5, 8, 11)
    more = [r.choice(sizes) for _ in range(rank)]
    if rank < 3 and r.random() < 0.15:
        more[-1] = r.randint(30, 150)
    shape: dict[str, Any] = {"stride": tuple(strides), "dilation": tuple(dilations)}
    shape |= {"padding": padding, "mode": mode}
    spatial = tuple(n + m for n, m in zip(least, more, strict=True))
    if r.random() < 0.04:
        return Case(spatial, tuple(kernel), single=True, **shape)
    return Case(spatial, tuple(kernel), **_random_channels(r), **shape)


def check_twice(case: Case, algorithm: str, isa: str, seed: int) -> None:
    """In both dtypes, each in a layout, form, memory and tiling that `seed` draws."""
    rng = np.random.default_rng([seed, case.seed])
    layouts = rng.permutation(cases.LAYOUTS)
    for dtype, layout in zip(cases.DTYPES, layouts, strict=True):
        how = cases.ways(rng, case) | {"dtype": dtype, "layout": str(layout)}
        check(case, algorithm=algorithm, isa=isa, solution=solve(case, dtype, algorithm), **how)


@functools.cache
def random_cases(
    seed: int, count: int, data: str | None = None, algorithm: str | None = None, macs: int = 400_000
) -> list[Case]:
    """As `random_case`, always the same ones for a seed."""
    r = random.Random(seed)
    return [random_case(r, data, algorithm=algorithm, macs=macs) for _ in range(count)]


def guarded_cases(isa: str, count: int, seed: int, any_shape: bool) -> None:
    """For a child of test_winograd_guard_pages.py: random cases with every array against a guard page."""
    import guarded

    pretended.inherit()
    drawn = [random_cases(seed, -(-count // 3), None, a if any_shape else None) for a in ALGORITHMS]
    for i in range(count):
        algorithm, case = list(ALGORITHMS)[i % 3], drawn[i % 3][i // 3]
        dtype, layout = cases.DTYPES[i // 3 % 2], cases.LAYOUTS[i // 6 % 2]
        side = (guarded.AFTER, guarded.BEFORE)[i // 12 % 2]
        how: dict[str, Any] = {"algorithm": algorithm, "solution": solve(case, dtype, algorithm)}
        # Said first: a fault leaves no other trace.
        line = f"{case!r}, {isa!r}, {dtype!r}, {layout!r}, {side}, algorithm={algorithm!r}"
        print(line, file=sys.stderr, flush=True)
        guarded.run(case, isa, dtype, layout, side, **how)
    print(f"guarded cases: {count}")
