# SPDX-License-Identifier: BSD-3-Clause
"""Pooling against SciPy and NumPy: filters of odd windows, sliding_window_view, max and mean over axes."""

from __future__ import annotations

from typing import Any

import npconv
import numpy as np
import pytest
import scipy.ndimage
from numpy.lib.stride_tricks import sliding_window_view
from pool_cases import DTYPES, FLOATS, LAYOUTS, values
from rules import RANKS, ints

SIZES = {1: (200,), 2: (40, 67), 3: (9, 12, 17)}
KERNELS: dict[int, list[Any]] = {
    1: [(1,), (3,), (9,), (33,), (101,)],
    2: [(3, 3), (5, 1), (1, 7), (9, 15), (31, 31)],
    3: [(3, 3, 3), (1, 5, 3), (7, 3, 9)],
}
EVEN: dict[int, list[Any]] = {
    1: [(2,), (8,), (34,)],
    2: [(2, 2), (3, 4), (16, 1), (30, 15)],
    3: [(2, 2, 2), (4, 3, 8)],
}
every_rank = pytest.mark.parametrize("rank", RANKS)


def of(name: str, rank: int) -> Any:
    return getattr(npconv, f"{name}{rank}d")


@every_rank
@pytest.mark.parametrize("dtype", DTYPES)
def test_maximum_filter(rank: int, dtype: str, isa: str) -> None:
    """With the smallest number there is outside; and inside alone."""
    x = values("normal", SIZES[rank], dtype, np.random.default_rng(rank))
    if dtype == "int64":
        x //= 2**12  # SciPy has them in float64
    low = -np.inf if dtype in FLOATS else np.iinfo(dtype).min
    for kernel in KERNELS[rank] + EVEN[rank]:
        y = of("max_pool", rank)(x, kernel, stride=1, padding="same_lower")
        for border in ({"mode": "constant", "cval": low}, {"mode": "nearest"}):
            want = scipy.ndimage.maximum_filter(x, kernel, **border)
            np.testing.assert_array_equal(y, want, strict=True)
        inside = of("max_pool", rank)(x, kernel, stride=2)
        windows = sliding_window_view(x, kernel)[(slice(None, None, 2),) * rank]
        np.testing.assert_array_equal(inside, windows.max(tuple(range(rank, 2 * rank))), strict=True)


@every_rank
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_minimum_filter(rank: int, dtype: str, layout: str, isa: str) -> None:
    """Of all numbers, 0 of uint8 and -128 of int8 among them; two channels, each filtered alone."""
    x = values("normal", (2, *SIZES[rank]), dtype, np.random.default_rng(rank))
    if dtype == "int64":
        x //= 2**12  # SciPy has them in float64
    elif dtype not in FLOATS:
        x.reshape(-1)[::97], x.reshape(-1)[48::97] = np.iinfo(dtype).min, np.iinfo(dtype).max
    given = x if layout == "channels_first" else np.moveaxis(x, 0, -1)
    for kernel in KERNELS[rank] + EVEN[rank]:
        y = of("min_pool", rank)(given, kernel, stride=1, padding="same_lower", layout=layout)
        y = y if layout == "channels_first" else np.moveaxis(y, -1, 0)
        want = scipy.ndimage.minimum_filter(x, (1, *kernel), mode="nearest")
        np.testing.assert_array_equal(y, want, strict=True)
        inside = of("min_pool", rank)(given, kernel, stride=2, layout=layout)
        inside = inside if layout == "channels_first" else np.moveaxis(inside, -1, 0)
        spatial = tuple(range(1, 1 + rank))
        windows = sliding_window_view(x, kernel, axis=spatial)[(slice(None), *[slice(None, None, 2)] * rank)]
        np.testing.assert_array_equal(inside, windows.min(tuple(range(-rank, 0))), strict=True)


def test_minus_the_maximum_of_minus_x_is_no_minimum_of_integers() -> None:
    """What the README once advised: 0 of uint8 and -128 of int8 are their own negatives."""
    for x in (np.array([0, 1, 200], np.uint8), np.array([-128, 1, 2], np.int8)):
        want = scipy.ndimage.minimum_filter1d(x, 3, mode="nearest")
        np.testing.assert_array_equal(npconv.min_pool1d(x, 3, stride=1, padding="same"), want)
        assert (-npconv.max_pool1d(-x, 3, stride=1, padding="same") != want).any()


@every_rank
@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_filter(rank: int, dtype: str, isa: str) -> None:
    x = np.random.default_rng(rank).standard_normal(SIZES[rank]).astype(dtype)
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    for kernel in KERNELS[rank]:
        y = of("avg_pool", rank)(x, kernel, stride=1, padding="same")
        want = scipy.ndimage.uniform_filter(x.astype(np.float64), kernel, mode="constant")
        np.testing.assert_allclose(y, want, rtol=0, atol=tolerance)
        counted = of("avg_pool", rank)(x, kernel, stride=1, padding="same", count_include_pad=False)
        share = scipy.ndimage.uniform_filter(np.ones(x.shape), kernel, mode="constant")
        np.testing.assert_allclose(counted, want / share, rtol=0, atol=100 * tolerance)
        windows = sliding_window_view(x.astype(np.float64), kernel)
        axes = tuple(range(rank, 2 * rank))
        inside = of("avg_pool", rank)(x, kernel, stride=1)
        np.testing.assert_allclose(inside, windows.mean(axes), rtol=0, atol=tolerance)
        norm = of("lp_pool", rank)(x, 2, kernel, stride=1)
        np.testing.assert_allclose(norm, np.sqrt((windows**2).sum(axes)), rtol=tolerance)


@every_rank
def test_minus_the_maximum_of_minus_x_is_the_minimum(rank: int, isa: str) -> None:
    x = values("normal", SIZES[rank], "float32", np.random.default_rng(0))
    y = -of("max_pool", rank)(-x, 3, stride=1, padding="same")
    np.testing.assert_array_equal(y, scipy.ndimage.minimum_filter(x, 3, mode="constant", cval=np.inf))


@every_rank
@pytest.mark.parametrize("dtype", FLOATS)
def test_max_and_mean_over_axes(rank: int, dtype: str, isa: str) -> None:
    x = values("normal", (2, 5, *SIZES[rank]), dtype, np.random.default_rng(0))
    last = np.moveaxis(x, 1, -1)
    axes = tuple(range(2, 2 + rank))
    for keepdims in (True, False):
        most = x.max(axes, keepdims=keepdims)
        mean = x.astype(np.float64).mean(axes, keepdims=keepdims)
        tolerance = {"rtol": 0, "atol": 4 * np.finfo(dtype).eps * abs(x).mean()}
        for how, a in (({}, x), ({"layout": "channels_last"}, last)):
            y = of("global_max_pool", rank)(a, keepdims=keepdims, **how)
            z = of("global_avg_pool", rank)(a, keepdims=keepdims, **how)
            if how and keepdims:
                y, z = np.moveaxis(y, -1, 1), np.moveaxis(z, -1, 1)
            np.testing.assert_array_equal(y, most, strict=True)
            np.testing.assert_allclose(z, mean, **tolerance)


@every_rank
def test_unfold_is_a_sliding_window_view_and_convolution_a_product_with_it(rank: int) -> None:
    x, w = ints((2, 3, *SIZES[rank]), np.float64), ints((4, 3, *[3] * rank), np.float64, 1)
    columns = of("unfold", rank)(x, 3)
    windows = sliding_window_view(x, (3,) * rank, axis=tuple(range(2, 2 + rank)))
    pixels, taps = range(2, 2 + rank), range(2 + rank, 2 + 2 * rank)
    np.testing.assert_array_equal(columns, windows.transpose(0, 1, *taps, *pixels).reshape(columns.shape))
    y = of("conv", rank)(x, w)
    np.testing.assert_array_equal((w.reshape(4, -1) @ columns).reshape(y.shape), y)


@every_rank
def test_averages_are_depthwise_convolutions_with_equal_weights(rank: int) -> None:
    x = ints((2, 3, *SIZES[rank]), np.float64)
    for stride, padding, dilation in ((1, 0, 1), (2, 1, 1), (1, "same", 2), ((3, 1, 2)[:rank], "causal", 1)):
        how: Any = {"stride": stride, "padding": padding, "dilation": dilation}
        w = np.ones((3, 1, *[2] * rank))
        want = of("conv", rank)(x, w, groups=3, **how)
        np.testing.assert_array_equal(of("avg_pool", rank)(x, 2, divisor_override=1, **how), want)
        np.testing.assert_array_equal(of("avg_pool", rank)(x, 2, **how), want / 2**rank)
