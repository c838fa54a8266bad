# SPDX-License-Identifier: BSD-3-Clause
"""Depthwise convolution: every argument, memory, instruction set; bits that do not depend on how it is cut."""

from __future__ import annotations

import random
from typing import Any

import npconv
import numpy as np
import pytest
from cases import DTYPES, LAYOUTS, MODES, Case, check, random_depthwise_case, small_tiles, solve, ways
from npconv import _core
from reference import Array

BLOCKS = 12
CASES = 40  # of a block


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_cases(block: int) -> None:
    r, rng = random.Random(700 + block), np.random.default_rng(700 + block)
    for _ in range(CASES):
        data = r.choice((None, None, "nonfinite", "normal", "wide"))
        case = random_depthwise_case(r, data=data, inexact=r.random() < 0.2)
        how: dict[str, Any] = ways(rng, case) | {"dtype": r.choice(DTYPES), "layout": r.choice(LAYOUTS)}
        solution = solve(case, how["dtype"])
        for isa in _core._isa_names():
            check(case, isa=isa, algorithm="depthwise", solution=solution, **how)


# Widths and heights around those of a register tile (7 pixels), kernels around those of a row of taps (7).
SIZES = [(1,), (6,), (7,), (8,), (13,), (14,), (15,), (29,)]
KERNELS = [(1,), (2,), (3,), (5,), (6,), (7,), (8,), (9,), (15,), (31,)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_tiles_and_rows_of_taps_of_every_length(kernel: tuple[int], layout: str, isa: str) -> None:
    for size in SIZES:
        for stride in (1, 2, 3):
            case = Case(size, kernel, cin=19, cout=19, groups=19, stride=stride, padding="same", bias=True)
            check(case, isa=isa, layout=layout, algorithm="depthwise")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", MODES)
def test_maps_of_networks(mode: str, dtype: str, isa: str) -> None:
    for channels, size, k, stride in [(20, 56, 3, 1), (20, 57, 3, 2), (33, 28, 5, 1), (16, 14, 7, 1), (40, 7, 3, 1)]:
        case = Case(
            (size, size), (k, k), cin=channels, cout=channels, groups=channels, stride=stride, padding=k // 2,
            mode=mode, activation="relu6",
        )  # fmt: skip
        for layout in LAYOUTS:
            check(case, isa=isa, dtype=dtype, layout=layout, algorithm="depthwise")


@pytest.mark.parametrize("kernel", [(3, 3, 3), (1, 3, 3), (3, 1, 1)])
def test_volumes(kernel: tuple[int, int, int], isa: str) -> None:
    padding = tuple(k // 2 for k in kernel)
    case = Case((4, 9, 10), kernel, cin=18, cout=18, groups=18, padding=padding, residual=True)
    for layout in LAYOUTS:
        check(case, isa=isa, layout=layout, algorithm="depthwise")


def layer(channels: int, size: tuple[int, ...], kernel: tuple[int, ...], layout: str) -> tuple[Array, Array, dict[str, Any]]:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, channels, *size)).astype(np.float32)
    w = rng.standard_normal((channels, 1, *kernel)).astype(np.float32)
    if layout == "channels_last":
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    padding = tuple(k // 2 for k in kernel)
    return x, w, {"padding": padding, "groups": channels, "layout": layout, "algorithm": "depthwise"}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("size", "kernel"), [((300,), (9,)), ((40, 30), (5, 5)), ((6, 12, 20), (3, 3, 3))])
def test_neither_threads_nor_memory_nor_tiles_change_a_bit(
    size: tuple[int, ...], kernel: tuple[int, ...], layout: str, isa: str
) -> None:
    x, w, how = layer(70, size, kernel, layout)
    conv = getattr(npconv, f"conv{len(size)}d")
    once = conv(x, w, num_threads=1, **how).tobytes()
    for threads in (2, 3, 7):
        assert conv(x, w, num_threads=threads, **how).tobytes() == once
    every_other = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), np.float32)[..., ::2]
    every_other[...] = x
    assert conv(every_other, w, **how).tobytes() == once
    with small_tiles():
        assert conv(x, w, num_threads=2, **how).tobytes() == once
    other = "channels_first" if layout == "channels_last" else "channels_last"
    turned = np.moveaxis(x, -1, 1) if layout == "channels_last" else np.moveaxis(x, 1, -1)
    y = conv(np.ascontiguousarray(turned), w, **how | {"layout": other})
    y = np.moveaxis(y, -1, 1) if other == "channels_last" else np.moveaxis(y, 1, -1)
    assert np.ascontiguousarray(y).tobytes() == once


def test_a_plan_of_any_batch_is_shared_with_other_sizes() -> None:
    x, w, how = layer(24, (20, 21), (3, 3), "channels_first")
    plan = npconv.plan_conv((None, 24, 20, 21), w, **how)
    other = plan.for_shape((3, 24, 9, 40))
    assert other.algorithm == "depthwise"
    large = np.random.default_rng(4).standard_normal((3, 24, 9, 40)).astype(np.float32)
    assert plan(x).tobytes() == npconv.conv2d(x, w, **how).tobytes()
    assert other(large).tobytes() == npconv.conv2d(large, w, **how).tobytes()


def test_refusals_say_why() -> None:
    x, w = np.zeros((1, 4, 9, 9), np.float32), np.zeros((4, 2, 3, 3), np.float32)
    with pytest.raises(ValueError, match='"depthwise" cannot serve here: .* each group has 2'):
        npconv.conv2d(x, w, groups=2, algorithm="depthwise")
    x, w = np.zeros((1, 4, 9), np.float32), np.zeros((4, 1, 2), np.float32)
    far = 2**50
    with pytest.raises(ValueError, match="padding or the dilation is too large"):
        npconv.conv1d(x, w, groups=4, dilation=far, padding=((far, 0),), algorithm="depthwise")
    far = 10**8
    with pytest.raises(ValueError, match="window is too large"):
        how: dict[str, Any] = {"dilation": far, "padding": ((far, 0),), "padding_mode": "replicate"}
        npconv.conv1d(x, w, groups=4, algorithm="depthwise", **how)
    for dilation in (far, 2**50):  # another algorithm serves
        npconv.conv1d(x, w, groups=4, dilation=dilation, padding=((dilation, 0),))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_auto_takes_it_and_explain_tells(layout: str) -> None:
    shape = (1, 96, 28, 28) if layout == "channels_first" else (1, 28, 28, 96)
    w = np.zeros((96, 1, 5, 5), np.float32)
    plan = npconv.plan_conv(shape, w, padding=2, groups=96, layout=layout)
    assert plan.algorithm == "depthwise"
    assert "7 pixels x" in plan.explain()
    assert "lane = channel" in plan.explain()
