# SPDX-License-Identifier: BSD-3-Clause
"""Averages lose no digits, however large the plane, and what is large or not finite stays in its windows."""

from __future__ import annotations

import functools
import math
from typing import Any

import npconv
import numpy as np
import pytest
import reference_pool as ref
from pool_cases import FLOATS, LAYOUTS
from pool_check import difference
from reference import Array


def off_by(y: Any, exact: float) -> float:
    """The error of the one number in y, in ulp."""
    (number,) = np.ravel(y)
    return abs(float(number) - exact) / float(np.spacing(abs(number.dtype.type(exact))))


@functools.cache
def large(count: int, dtype: str, channels: int = 1) -> tuple[Array, list[float]]:
    """(channels, count) numbers about 1000, and their means."""
    x = (np.random.default_rng(count).standard_normal((channels, count), np.float32) * 50 + 1000).astype(
        dtype
    )
    return x, [math.fsum(row.tolist()) / count for row in x]


# ---- global and adaptive averages --------------------------------------------------------------------------


def test_the_mean_of_four_million_float32_within_two_ulp(isa: str) -> None:
    x, (mean,) = large(4_000_000, "float32")
    for shape in ((1, 2000, 2000), (1, 1, 4_000_000), (1, 500, 8000)):
        first, last = x.reshape(shape), x.reshape(*shape[1:], 1)
        for threads in (1, 2):
            assert off_by(npconv.global_avg_pool2d(first, num_threads=threads), mean) <= 2
            y = npconv.global_avg_pool2d(last, layout="channels_last", num_threads=threads)
            assert off_by(y, mean) <= 2
    assert off_by(npconv.global_avg_pool1d(x, keepdims=False), mean) <= 2
    assert off_by(npconv.adaptive_avg_pool1d(x, 1), mean) <= 2
    assert off_by(npconv.global_avg_pool1d(x[:, ::-1]), mean) <= 2


def test_the_means_of_many_channels_in_both_layouts(isa: str) -> None:
    for channels, count in ((5, 400_000), (64, 40_000), (70, 10_000)):
        x, means = large(count, "float32", channels)
        first = npconv.global_avg_pool1d(x, keepdims=False)
        last = npconv.global_avg_pool1d(x.T.copy(), keepdims=False, layout="channels_last")
        for y in (first, last):
            assert max(map(off_by, y, means)) <= 2


def test_the_mean_of_a_million_float64(isa: str) -> None:
    """A plain sum would be a thousand ulp off; one in blocks or with more accumulators is not."""
    x, (mean,) = large(1_000_000, "float64")
    for y in (
        npconv.global_avg_pool2d(x.reshape(1, 1000, 1000)),
        npconv.global_avg_pool2d(x.reshape(1000, 1000, 1), layout="channels_last"),
        npconv.global_avg_pool3d(x.reshape(1, 100, 100, 100)),
        npconv.adaptive_avg_pool1d(x, 1),
    ):
        assert off_by(y, mean) <= 100


def test_adaptive_averages_of_large_windows(isa: str) -> None:
    x, _ = large(1_000_000, "float32")
    plane = x.reshape(1000, 1000)
    want = plane.reshape(2, 500, 4, 250).astype(np.float64).mean((1, 3))
    for y in (
        npconv.adaptive_avg_pool2d(plane, (2, 4)),
        npconv.adaptive_avg_pool2d(plane[..., None], (2, 4), layout="channels_last")[..., 0],
    ):
        assert max(map(off_by, y.ravel(), want.ravel())) <= 2
    uneven = npconv.adaptive_avg_pool2d(plane, (3, 7))
    exact = ref.adaptive_avg_pool(plane, (3, 7), rank=2)
    assert max(map(off_by, uneven.ravel(), exact.ravel())) <= 2


def test_what_cancels_is_off_by_the_rounding_of_one_number_and_not_of_the_sum(isa: str) -> None:
    """Numbers of the size 1e8 and their negatives in any order, beside which small ones are to be found."""
    rng = np.random.default_rng(0)
    for channels, sizes in ((1, (7, 7)), (64, (7, 7)), (3, (16, 17)), (2, (1, 4001)), (1, (301, 300))):
        half = rng.standard_normal((channels, math.prod(sizes) // 2)) * 1e8
        x = rng.permuted(
            np.concatenate([half, -half, *[half[:, :1] / 1e8] * (math.prod(sizes) % 2)], 1), axis=1
        )
        x = x.astype(np.float32).reshape(channels, *sizes)
        mean, magnitude = x.astype(np.float64).mean((1, 2)), abs(x).astype(np.float64).mean((1, 2))
        last = np.moveaxis(x, 0, -1).copy()
        for y in (
            npconv.global_avg_pool2d(x, keepdims=False),
            npconv.global_avg_pool2d(last, keepdims=False, layout="channels_last"),
            npconv.adaptive_avg_pool2d(x, 1).ravel(),
        ):
            assert (abs(y - mean) <= np.finfo(np.float32).eps * magnitude).all()


def test_one_among_many_zeros_and_what_cancels() -> None:
    """1e8, 1 and -1e8, far from each other."""
    x = np.zeros((1, 999, 999), np.float32)
    x[0, [0, 500, 998], [0, 3, 998]] = (1e8, 1, -1e8)
    for y in (npconv.global_avg_pool2d(x), npconv.adaptive_avg_pool2d(x, 1)):
        assert off_by(y, 1 / 999**2) <= 2


def test_large_numbers_do_not_overflow_where_the_mean_does_not(isa: str) -> None:
    x = np.full((2, 3, 16, 17), 3e38, np.float32)
    assert (npconv.global_avg_pool2d(x) == np.float32(3e38)).all()
    assert (npconv.adaptive_avg_pool2d(x, (3, 5)) == np.float32(3e38)).all()


# ---- sliding averages --------------------------------------------------------------------------------------

SPOTS = [(0, 0), (0, 79), (69, 0), (69, 79), (30, 31), (31, 30), (15, 64), (16, 16), (40, 63), (62, 47)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e30, -1e30])
def test_one_pixel_reaches_exactly_the_windows_that_hold_it(
    value: float, dtype: str, layout: str, isa: str
) -> None:
    """All the others are, to the bit, what they are without it: no running sum carries it on."""
    rng = np.random.default_rng(0)
    plain = rng.standard_normal((70, 80)).astype(dtype)
    x_of = (lambda a: a[..., None]) if layout == "channels_last" else (lambda a: a[None])
    for kernel, padding in ((31, 15), ((31, 2), (15, 0)), ((1, 31), "valid"), (3, 1)):
        how: Any = {"stride": 1, "padding": padding, "layout": layout}
        before = npconv.avg_pool2d(x_of(plain), kernel, **how).squeeze()
        left = [0, 0] if padding == "valid" else np.broadcast_to(padding, (2,))
        firsts = [np.arange(n) - p for n, p in zip(before.shape, left, strict=True)]
        for spot in SPOTS:
            x = plain.copy()
            x[spot] = value
            y = npconv.avg_pool2d(x_of(x), kernel, **how).squeeze()
            holds = np.logical_and.outer(
                *(
                    (first <= at) & (at < first + k)
                    for first, at, k in zip(firsts, spot, np.broadcast_to(kernel, 2), strict=True)
                )
            )
            same = y.view(f"u{y.itemsize}") == before.view(f"u{y.itemsize}")
            assert same[~holds].all(), (kernel, spot)
            if np.isfinite(value):
                count = np.prod(np.broadcast_to(kernel, 2))
                np.testing.assert_allclose(y[holds], value / count, rtol=1e-5)
            elif np.isnan(value):
                assert np.isnan(y[holds]).all()
            else:
                assert (y[holds] == value).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_long_line_of_windows_does_not_drift(isa: str, dtype: str) -> None:
    """Large numbers at its begin, small ones at its end: a running sum would keep the errors of the large."""
    rng = np.random.default_rng(0)
    n, kernel = 20_000, 1001
    x = (rng.standard_normal(n) * np.geomspace(1e6, 1e-6, n)).astype(dtype)
    places = np.arange(0, n - kernel + 1, 37)
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel)[places].astype(ref.WIDE)
    unit = np.finfo(dtype).eps.astype(ref.WIDE) / 2
    bound = (kernel + 2) * unit / (1 - (kernel + 2) * unit) * abs(windows).mean(-1)
    y = npconv.avg_pool1d(x, kernel, stride=1)
    assert difference(y[places], windows.mean(-1), bound) is None
    last = npconv.avg_pool1d(x[:, None], kernel, stride=1, layout="channels_last")[:, 0]
    assert difference(last[places], windows.mean(-1), bound) is None


def test_norms_of_float32_are_summed_in_float64(isa: str) -> None:
    """1e30 squared overflows float32, 1e-30 squared vanishes in it; the norm of either does not."""
    for scale in (1e30, 1e-30, 1.0):
        x = np.full((1, 8, 40), scale, np.float32)
        for norm, kernel in ((2, 2), (3, 4), (2, 8), (5, 1)):
            y = npconv.lp_pool2d(x, norm, kernel)
            want = float(np.float32(scale)) * (np.prod([kernel, kernel]) ** (1 / norm))
            np.testing.assert_allclose(y.astype(float), want, rtol=3e-7)
