# SPDX-License-Identifier: BSD-3-Clause
"""Norms whose sum of powers overflows, or vanishes, where the norm does not; and their gradients."""

from __future__ import annotations

from typing import Any

import npconv
import numpy as np
import pytest
from npconv import grad
from pool_cases import LAYOUTS
from reference import Array

EXTREMES = [
    (2, 1e200),
    (2, 1e-200),
    (2, 2e-320),
    (3, 1e-300),
    (1.5, 1e300),
    (64, 1e-3),
    (64, 3e5),
    (1000, 0.3),
    (1000, 7.0),
]
# The ways that kernels go: rows, slabs, blocks of rows, dilation, windows far larger than the input.
WAYS: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "windows side by side": ((6, 80), {"kernel_size": 2}),
    "3x3": ((12, 40), {"kernel_size": 3, "stride": 1, "padding": 1}),
    "3x3 with stride 2": ((13, 41), {"kernel_size": 3, "stride": 2}),
    "9x9": ((20, 30), {"kernel_size": 9, "stride": 1}),
    "dilated": ((20, 30), {"kernel_size": 3, "stride": 1, "dilation": 4}),
    "mostly padding": ((2, 3), {"kernel_size": 90, "stride": 30, "padding": 89}),
    "one long row": ((1, 300_001), {"kernel_size": (1, 300_000), "stride": 1}),
}


def longdouble_norms(x: Array, p: float, windows: Array) -> Array:
    """Of rows of `windows` (numbers of elements, -1: none), scaled by the largest."""
    v = np.where(windows < 0, 0, abs(x.ravel().astype(np.longdouble))[windows])
    most = v.max(1, keepdims=True)
    scaled = v / np.where(most > 0, most, 1)
    return most[:, 0] * (scaled ** np.longdouble(p)).sum(1) ** (1 / np.longdouble(p))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_elements(dtype: str, way: str, layout: str, isa: str) -> None:
    """n of them have the norm n^(1/p) times one, and the gradient of each is n^(1/p - 1)."""
    sizes, how = WAYS[way]
    for p, value in EXTREMES:
        if dtype == "float32" and not 1e-30 < value < 1e30:
            continue
        x = np.full((1, 1, *sizes) if layout == "channels_first" else (1, *sizes, 1), value, dtype)
        y = npconv.lp_pool2d(x, p, layout=layout, **how)
        n = npconv.lp_pool2d(np.ones_like(x, np.float64), 1, layout=layout, **how)  # how many there are
        want = x.ravel()[0].astype(np.longdouble) * n.astype(np.longdouble) ** (1 / np.longdouble(p))
        rtol = 4 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(y.astype(np.longdouble), want, rtol=rtol, atol=1e-323)
        if way == "mostly padding" or "long" in way:
            continue
        g = np.ones_like(y)
        got = grad.lp_pool2d(g, x, p, layout=layout, **how)
        share = n.astype(np.float64) ** (1 / p - 1)
        want = grad.avg_pool2d(share, x.shape, divisor_override=1, layout=layout, **how)
        np.testing.assert_allclose(got, want, rtol=p * 8 * rtol)


@pytest.mark.parametrize("p", [2, 3, 2.5, 64])
def test_elements_of_all_sizes_beside_each_other(p: float, isa: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(3000) * 10.0 ** rng.integers(-300, 300, 3000)
    x[rng.integers(3000, size=100)] = 0
    windows = np.arange(2998)[:, None] + np.arange(3)
    want = longdouble_norms(x, p, windows)
    y = npconv.lp_pool1d(x, p, 3, stride=1)
    np.testing.assert_allclose(
        y, want.astype(np.float64), rtol=2e-13
    )  # 1 / p is rounded: ln(1e290) times that
    g = rng.standard_normal(2998)
    expected = np.zeros(3000, np.longdouble)
    with np.errstate(under="ignore", invalid="ignore"):
        v = x.astype(np.longdouble)[windows]
        ratio = np.where(want[:, None] > 0, abs(v) / np.where(want > 0, want, 1)[:, None], 0)
        np.add.at(expected, windows, g[:, None] * np.sign(v) * ratio ** np.longdouble(p - 1))
    got = grad.lp_pool1d(g, x, p, 3, stride=1)
    np.testing.assert_allclose(got, expected.astype(np.float64), rtol=1e-10, atol=1e-13)


def test_nan_infinity_and_zero_beside_extremes() -> None:
    x = np.array([1e200, np.nan, 1, 0, 0, np.inf, 1e-200, 1e200, 0, 0, 1e-200, 0])
    want = np.array([np.nan, 1, np.inf, 1e200, 0, 1e-200])
    np.testing.assert_array_equal(npconv.lp_pool1d(x, 2, 2), want)
    np.testing.assert_array_equal(grad.lp_pool1d(np.ones(6), x, 2, 2)[6:], [0, 1, 0, 0, 1, 0])


def test_a_norm_that_no_float_holds_is_infinite() -> None:
    assert npconv.lp_pool1d(np.full(4, 3e38, np.float32), 2, 4)[0] == np.inf
    assert npconv.lp_pool1d(np.full(4, 1.7e308), 2, 4)[0] == np.inf
    assert npconv.lp_pool1d(np.full(4, 3e38, np.float32), 64, 4)[0] == np.float32(3e38 * 4 ** (1 / 64))


def test_ordinary_norms_keep_their_bits_beside_extremes(isa: str) -> None:
    x = np.random.default_rng(0).standard_normal((1, 40, 50))
    how: Any = {"stride": 1, "padding": 1}
    before = npconv.lp_pool2d(x, 2, 3, **how)
    x[0, 20, 25] = 1e200
    after = npconv.lp_pool2d(x, 2, 3, **how)
    far = np.ones((40, 50), bool)
    far[19:22, 24:27] = False
    np.testing.assert_array_equal(before[0][far], after[0][far])
    np.testing.assert_array_equal(after[0][~far], 1e200)
