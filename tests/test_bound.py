# SPDX-License-Identifier: BSD-3-Clause
"""Error bounds: on real numbers every element stays within the bound that the design page promises.

|y - y*| <= gamma_{n+2} (|x|*|w| + |b| + |r|) + n tiny before the activation, n = channels x taps, against the
oracle in a wider type, on every instruction set.
"""

from __future__ import annotations

import functools
import math
import random
from typing import Any

import cases
import npconv
import numpy as np
import pytest
import reference
from cases import Case, check

RANDOM_CASES = 150  # of each kind of data and dtype, on each instruction set

# Long sums, where an error would grow; sums over several k blocks; a single product, where it has no room.
SUMS = {
    "one product": Case((300,), (1,), cin=1, cout=8),
    "one product, bias, residual": Case((300,), (1,), cin=1, cout=8, bias=True, residual=True),
    "two products": Case((10, 10), (1, 2), cin=1, cout=16, bias=True),
    "one k block": Case((3, 7), (1, 1), cin=256, cout=17, bias=True),
    "a k block and one": Case((3, 7), (1, 1), cin=257, cout=17, residual=True),
    "several k blocks": Case((5, 5), (3, 3), cin=131, cout=9, padding=1, bias=True, residual=True),
    "deep": Case((2, 2), (1, 1), cin=4099, cout=9, bias=True),
    "long filter": Case((2200,), (2001,), flip=True),
    "depthwise": Case((9, 9), (7, 7), cin=17, cout=17, groups=17, padding=3, bias=True),
    "3-D": Case((4, 5, 6), (3, 3, 3), cin=21, cout=7, padding="same", mode="reflect", bias=True),
}

solve = functools.cache(cases.solve)


@functools.cache
def random_cases(data: str) -> list[Case]:
    r = random.Random(data)
    return [cases.random_case(r, None, data, macs=60_000) for _ in range(RANDOM_CASES)]


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("data", ["normal", "wide", "sparse"])
def test_random_cases_within_the_bound(isa: str, data: str, dtype: str) -> None:
    for i, case in enumerate(random_cases(data)):
        rng = np.random.default_rng([i, case.seed])
        layout = cases.LAYOUTS[i % 2]
        check(case, isa=isa, dtype=dtype, layout=layout, solution=solve(case, dtype), **cases.ways(rng, case))


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("name", SUMS)
def test_sums_within_the_bound(isa: str, name: str, dtype: str) -> None:
    for data in ("normal", "wide", "sparse"):
        case = Case(**{**vars(SUMS[name]), "data": data})
        for layout in cases.LAYOUTS:
            check(case, isa=isa, dtype=dtype, layout=layout, solution=solve(case, dtype))


@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_naive_algorithm_within_the_bound(dtype: str) -> None:
    for case in SUMS.values():
        check(Case(**{**vars(case), "data": "wide"}), dtype=dtype, algorithm="naive")


LIMITS = {"float32": 2**24, "float64": 2**53}  # of sum |w| |x|
LIMITS_OF_F2 = {"float32": 2**18, "float64": 2**47}  # of max|x| sum |w|


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("algorithm", ["gemm", "depthwise", "direct", "naive", "winograd_f2"])
def test_integers_as_large_as_the_docstring_says_are_exact(algorithm: str, dtype: str, isa: str) -> None:
    groups = 8 if algorithm == "depthwise" else 1
    limit = (LIMITS_OF_F2 if algorithm == "winograd_f2" else LIMITS)[dtype]
    rng = np.random.default_rng(1)
    for kernel, padding in (((3, 3), 1), ((1, 3), 0)):
        weight = 5
        largest = limit // (weight * 8 // groups * math.prod(kernel))
        for low in (largest - 3, -largest):  # near the limit; and such that almost all cancels
            x = rng.choice([low, largest - 1, largest], (2, 8, 9, 10)).astype(dtype)
            w = rng.choice([weight - 1, weight], (8, 8 // groups, *kernel)).astype(dtype)
            how: Any = {"groups": groups, "padding": padding}
            y = npconv.conv2d(x, w, algorithm=algorithm, **how)
            want = reference.conv(x.astype(int), w.astype(int), spatial_rank=2, accumulate=np.int64, **how)
            assert np.array_equal(y.astype(int), want)
            npconv.conv2d(x, w, algorithm="gemm", **how)  # by kernels, for the proof of the set


# ---- the bound itself --------------------------------------------------------------------------------------


def test_bound_by_hand() -> None:
    """Two products, a bias and a residual: gamma_4 (|1*3| + |2*-4| + |5| + |-6|) + 2 tiny."""
    x, w = np.array([1.0, -2.0]), np.array([3.0, -4.0])
    got = reference.bound(
        x, w, np.array([5.0]), residual=np.array([-6.0]), dtype=np.float32, spatial_rank=1, flip=False
    )
    unit = 2.0**-24
    np.testing.assert_allclose(got, [4 * unit / (1 - 4 * unit) * 22 + 2 * 2.0**-126], rtol=1e-15)


@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_the_bound_has_teeth(dtype: str) -> None:
    """A result without its smallest product, or wrong in its seventh digit (float32), is beyond the bound."""
    case = Case((9, 9), (3, 3), cin=4, cout=9, data="normal")
    want = solve(case, dtype)
    data = cases.arrays(case)
    y = want.y.astype(dtype)
    assert cases.difference(y, want, case) is None
    assert cases.difference(y * (1 + 500 * np.finfo(dtype).eps), want, case) is not None
    w = data.w.copy()
    w[:, 2, 1, 1] = 0
    wrong = reference.conv(data.x.astype(dtype), w.astype(dtype), spatial_rank=2).astype(dtype)
    assert cases.difference(wrong, want, case) is not None
