# SPDX-License-Identifier: BSD-3-Clause
"""Strides and windows far beyond the input, gradients over long steps: right, and in little memory."""

from __future__ import annotations

from typing import Any

import npconv
import numpy as np
import pytest
from npconv import _core, grad

LAYOUTS = ("channels_first", "channels_last")
HUGE = (100, 2**20, 2**40, 2**62, 2**63 - 1)


def images(layout: str) -> np.ndarray[Any, Any]:
    x = np.random.default_rng(0).permutation(2 * 3 * 12 * 13).reshape(2, 3, 12, 13).astype(np.float32)
    return x if layout == "channels_first" else np.ascontiguousarray(np.moveaxis(x, 1, -1))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("stride", HUGE)
@pytest.mark.parametrize("kernel", [2, 5, 9, 12])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_one_window_whatever_the_stride(
    isa: str, layout: str, stride: int, kernel: int, ceil_mode: bool
) -> None:
    x, how = images(layout), {"layout": layout, "ceil_mode": ceil_mode}
    once: dict[str, Any] = how | {"stride": 13}
    for pool in (npconv.max_pool2d, npconv.min_pool2d):
        once_y, once_i = pool(x, kernel, return_indices=True, **once)
        y, i = pool(x, kernel, return_indices=True, stride=stride, **how)
        np.testing.assert_array_equal(y, once_y)
        np.testing.assert_array_equal(i, once_i)
    for function, gradient in (
        (npconv.max_pool2d, None),
        (npconv.min_pool2d, None),
        (npconv.avg_pool2d, grad.avg_pool2d),
    ):
        y = function(x, kernel, stride=stride, **how)
        np.testing.assert_array_equal(y, function(x, kernel, **once))
        if gradient:
            np.testing.assert_array_equal(
                gradient(y, x.shape, kernel, stride=stride, **how), gradient(y, x.shape, kernel, **once)
            )
    norm = npconv.lp_pool2d(x, 2, kernel, stride=stride, **how)
    np.testing.assert_array_equal(
        grad.lp_pool2d(norm, x, 2, kernel, stride=stride, **how), grad.lp_pool2d(norm, x, 2, kernel, **once)
    )


@pytest.mark.parametrize(
    ("n", "kernel", "stride", "dilation"),
    [
        (1_000_000, 10_000, 10_000, 1),
        (80_000, 2, 40_000, 3),
        (4_000_000, 3, 2_000_000, 1),
        (200_000, 3, 70, 5),
    ],
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_over_long_steps(n: int, kernel: int, stride: int, dilation: int, layout: str) -> None:
    """Each result's share is put to its taps; no memory for whole steps."""
    count = (n - dilation * (kernel - 1) - 1) // stride + 1
    g = np.arange(1.0, count + 1, dtype=np.float32)
    expected = np.zeros(n, np.float32)
    for o in range(count):
        expected[o * stride : o * stride + dilation * (kernel - 1) + 1 : dilation] += g[o] / np.float32(
            kernel
        )
    shape = (1, n) if layout == "channels_first" else (n, 1)
    before = _core._buffer_bytes_made()
    y = grad.avg_pool1d(
        g.reshape((1, -1) if layout == "channels_first" else (-1, 1)),
        shape,
        kernel,
        stride=stride,
        dilation=dilation,
        layout=layout,
        num_threads=1,
    )
    assert _core._buffer_bytes_made() - before <= 6 << 20
    np.testing.assert_allclose(y.reshape(-1), expected, rtol=1e-6)


@pytest.mark.parametrize("power", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norms_have_one_rounding_whatever_the_window(power: int, dtype: type) -> None:
    """Small windows go to kernels, those far larger than the input do not."""
    x = np.random.default_rng(1).integers(-9, 10, (3, 5, 6)).astype(dtype)
    whole = npconv.lp_pool2d(x, power, (5, 6))
    beyond = npconv.lp_pool2d(x, power, (500, 600), stride=1000, padding=(495, 594))
    np.testing.assert_array_equal(beyond, whole)
