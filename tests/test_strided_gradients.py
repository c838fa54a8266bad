# SPDX-License-Identifier: BSD-3-Clause
"""Gradients whose operand has other sizes than their result, in any memory: examples that were wrong once.

Their random relatives are test_random_gradients.py's.
"""

from __future__ import annotations

from typing import Any

import npconv
import numpy as np
import pytest
from arrangements import AFTER, BEFORE, NAMES, NONE, place
from npconv import _core, grad
from reference import Array

SIDES = (NONE, AFTER, BEFORE)
every_memory = pytest.mark.parametrize("how", NAMES)
every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def guarded(function: Any, a: Array, *arguments: Any, how: str, **keywords: Any) -> list[Array]:
    """The results for `a` in some memory like `how`, with inaccessible pages and without."""
    rng = np.random.default_rng(0)
    results = []
    for side in SIDES * 2:
        given = place(a, how, rng, side)
        _core._set_guard_pages(side)
        try:
            results.append(function(given, *arguments, **keywords))
        finally:
            _core._set_guard_pages(NONE)
    return results


def test_average_of_one_column_as_reported(isa: str) -> None:
    g = np.arange(1, 11, dtype="f").reshape(5, 2)
    how: dict[str, Any] = {"stride": 1, "padding": ((0, 0), (1, 1))}
    dx = grad.avg_pool2d(np.asfortranarray(g), (6, 1), 2, **how)
    np.testing.assert_array_equal(dx[:, 0], [0.75, 2.5, 4.5, 6.5, 8.5, 4.75])
    np.testing.assert_array_equal(grad.avg_pool2d(g, (6, 1), 2, **how), dx)


@every_memory
@every_dtype
def test_average_of_one_column(isa: str, dtype: str, how: str) -> None:
    """The gradient's rows have two columns where those of the input have one."""
    g = np.arange(1, 11, dtype=dtype).reshape(5, 2)
    g = np.repeat(g[:, :1], 2, axis=1) if how == "repeated" else g
    want = np.zeros((6, 1))
    for i in range(5):
        want[i : i + 2, 0] += g[i].sum() / 4
    for dx in guarded(grad.avg_pool2d, g, (6, 1), 2, stride=1, padding=((0, 0), (1, 1)), how=how):
        np.testing.assert_array_equal(dx, want)


@every_memory
@pytest.mark.parametrize("columns", [1, 2, 3, 9, 40])
@pytest.mark.parametrize("stride", [1, 2])
def test_average_of_a_single_place(isa: str, how: str, columns: int, stride: int) -> None:
    """All windows of a signal of one sample hold it, each with its neighbours in the border."""
    kernel = stride * (columns - 1) + 1
    g = np.arange(1.0, columns + 1) if how != "repeated" else np.ones(columns)
    pads = ((kernel - 1, kernel - 1),)
    for dx in guarded(
        grad.avg_pool1d, g, (1,), kernel, stride=stride, padding=pads, how=how, divisor_override=1
    ):
        np.testing.assert_array_equal(dx, [g.sum()])


@every_memory
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_adaptive_average_of_more_windows_than_columns(isa: str, how: str, layout: str) -> None:
    g = np.arange(1.0, 13).reshape(1, 4, 3) if how != "repeated" else np.ones((1, 4, 3))
    want = np.zeros((1, 2, 1))
    want[0, :, 0] = g.reshape(2, 6).sum(-1)  # each of the six windows of a row holds one place
    g, want = (np.moveaxis(a, 0, -1) if layout == "channels_last" else a for a in (g, want))
    shape = want.shape
    for dx in guarded(grad.adaptive_avg_pool2d, g, shape, layout=layout, how=how):
        np.testing.assert_array_equal(dx, want)


@every_memory
def test_norm_of_one_column(isa: str, how: str) -> None:
    g = np.arange(1, 11, dtype="f").reshape(5, 2) if how != "repeated" else np.ones((5, 2), "f")
    x = np.ones((6, 1), "f")
    want = np.zeros((6, 1))
    for i in range(5):
        want[i : i + 2, 0] += g[i].sum()
    for dx in guarded(grad.lp_pool2d, g, x, 1, 2, stride=1, padding=((0, 0), (1, 1)), how=how):
        np.testing.assert_array_equal(dx, want)


@every_memory
def test_fold_to_one_column(how: str) -> None:
    columns = np.arange(1.0, 25).reshape(4, 6) if how != "repeated" else np.ones((4, 6))
    want = np.zeros((1, 4, 1))
    for tap in range(4):
        for row in range(3):
            column = 1 - tap % 2  # whose tap meets the one column of the result
            want[0, row + tap // 2, 0] += columns[tap, 2 * row + column]
    for y in guarded(npconv.fold2d, columns, (4, 1), 2, padding=((0, 0), (1, 1)), how=how):
        np.testing.assert_array_equal(y, want)
