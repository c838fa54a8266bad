# SPDX-License-Identifier: BSD-3-Clause
"""Depthwise convolution: every argument, memory, instruction set; its bits do not depend on how it is cut."""

from __future__ import annotations

import random
from typing import Any

import npconv
import numpy as np
import pytest
from cases import DTYPES, LAYOUTS, MODES, Case, check, lane, random_depthwise_case, small_tiles, solve, ways
from npconv import _core
from reference import Array

BLOCKS = 12
CASES = 40  # of a block


LANES = ("channel", "pixel")


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


def random_planes(r: random.Random) -> Case:
    """What lane = pixel has kernels for: images, square kernels, of all paddings less than the kernel."""
    k, stride, groups = r.choice((3, 3, 5, 7)), r.choice((1, 2)), r.choice((1, 2, 3, 9))
    size = tuple(k + r.choice((0, 1, 2, 5, 11, 17, 30, 62)) for _ in range(2))
    padding: Any = r.choice(("same", "valid", tuple((r.randrange(k), r.randrange(k)) for _ in range(2))))
    return Case(
        size, (k, k), r.choice((None, 1, 2)), groups, groups * r.choice((1, 1, 2)), groups, stride, padding,
        mode=r.choice(("zeros", *MODES)), flip=r.random() < 0.3, bias=r.random() < 0.5,
        residual=r.random() < 0.3, activation=r.choice((None, "relu6", ("leaky_relu", 0.25))),
        data=r.choice(("ints", "ints", "nonfinite")), seed=r.randrange(2**31),
    )  # fmt: skip


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_planes_with_lanes_of_pixels(block: int) -> None:
    r, rng = random.Random(800 + block), np.random.default_rng(800 + block)
    for _ in range(CASES):
        case = random_planes(r)
        how: dict[str, Any] = ways(rng, case) | {"dtype": r.choice(DTYPES)}
        solution = solve(case, how["dtype"])
        for isa in _core._isa_names():
            with lane("pixel"):
                check(case, isa=isa, algorithm="depthwise", solution=solution, **how)


def random_volume(r: random.Random) -> Case:
    """Volumes whose planes of 3x3 taps lane = pixel sums one after the other: any steps along the depth."""
    k, stride, groups = r.choice((1, 2, 3, 3, 5)), r.choice((1, 2)), r.choice((1, 2, 9, 20))
    size = (r.choice((1, 2, 5, 9)), *(3 + r.choice((0, 1, 5, 14, 30)) for _ in range(2)))
    mode = r.choice(("zeros", *MODES))
    dilation = r.choice((1, 2))
    padding = (
        (dilation * (k - 1) + 1, r.randrange(k)),
        *((r.randrange(3), r.randrange(3)) for _ in range(2)),
    )
    return Case(
        size, (k, 3, 3), r.choice((None, 1, 2)), groups, groups * r.choice((1, 1, 2)), groups,
        (r.choice((1, 2, 3)), stride, stride), padding, (dilation, 1, 1), mode, flip=r.random() < 0.3,
        bias=r.random() < 0.5, residual=r.random() < 0.4,
        activation=r.choice((None, "relu6", ("leaky_relu", 0.25))),
        data=r.choice(("ints", "ints", "nonfinite")), seed=r.randrange(2**31),
    )  # fmt: skip


@pytest.mark.parametrize("block", range(4))
def test_random_volumes_with_lanes_of_pixels(block: int) -> None:
    r, rng = random.Random(900 + block), np.random.default_rng(900 + block)
    for _ in range(15):
        case = random_volume(r)
        how: dict[str, Any] = ways(rng, case) | {"dtype": r.choice(DTYPES)}
        solution = solve(case, how["dtype"])
        for isa in _core._isa_names():
            for wanted in LANES:
                with lane(wanted):
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


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_groups_of_a_few_channels(dtype: str, layout: str, isa: str) -> None:
    lanes = _core._vector_bytes() // np.dtype(dtype).itemsize
    for group in (2, 4, 8, 16):
        for groups, size, k, stride in [(9, 17, 3, 1), (3, 20, 5, 2), (32, 9, 1, 3)]:
            channels = group * groups
            case = Case(
                (size, size), (k, k), 2, channels, channels, groups, stride, padding="same", bias=True,
                flip=k == 5, data="nonfinite" if k == 3 else "ints", seed=group,
            )  # fmt: skip
            if group <= lanes:
                check(case, isa=isa, dtype=dtype, layout=layout, algorithm="depthwise")
            else:
                with pytest.raises(AssertionError, match=f"at most {lanes}; here they have {group} in"):
                    check(case, isa=isa, dtype=dtype, layout=layout, algorithm="depthwise")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", MODES)
def test_maps_of_networks(mode: str, dtype: str, isa: str) -> None:
    for channels, size, k, stride in [
        (20, 56, 3, 1),
        (20, 57, 3, 2),
        (33, 28, 5, 1),
        (16, 14, 7, 1),
        (40, 7, 3, 1),
    ]:
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


def layer(
    channels: int, size: tuple[int, ...], kernel: tuple[int, ...], layout: str
) -> tuple[Array, Array, dict[str, Any]]:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, channels, *size)).astype(np.float32)
    w = rng.standard_normal((channels, 1, *kernel)).astype(np.float32)
    if layout == "channels_last":
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    padding = tuple(k // 2 for k in kernel)
    return x, w, {"padding": padding, "groups": channels, "layout": layout, "algorithm": "depthwise"}


def bits_agree(size: tuple[int, ...], kernel: tuple[int, ...], layout: str) -> None:
    """Threads, memory, tiles and the layout change nothing."""
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


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("size", "kernel"), [((300,), (9,)), ((40, 30), (5, 5)), ((6, 12, 20), (3, 3, 3))])
def test_neither_threads_nor_memory_nor_tiles_change_a_bit(
    size: tuple[int, ...], kernel: tuple[int, ...], layout: str, isa: str
) -> None:
    for wanted in LANES:
        with lane(wanted):
            bits_agree(size, kernel, layout)


def test_both_lanes_give_the_same_bits(isa: str) -> None:
    for k, mode in [(3, "zeros"), (5, "reflect"), (7, "zeros"), (0, "zeros"), (0, "circular")]:
        size, kernel = ((30, 37), (k, k)) if k else ((6, 20, 37), (3, 3, 3))
        x, w, how = layer(9, size, kernel, "channels_first")
        how |= {"padding_mode": mode}
        results = []
        for wanted in LANES:
            with lane(wanted):
                plan = npconv.plan_conv(x.shape, w, **how)
                assert f"lane = {wanted}" in plan.explain()
                results.append(plan(x).tobytes())
        assert results[0] == results[1]


def test_a_plan_of_any_batch_is_shared_with_other_sizes() -> None:
    x, w, how = layer(24, (20, 21), (3, 3), "channels_first")
    plan = npconv.plan_conv((None, 24, 20, 21), w, **how)
    other = plan.for_shape((3, 24, 9, 40))
    assert other.algorithm == "depthwise"
    large = np.random.default_rng(4).standard_normal((3, 24, 9, 40)).astype(np.float32)
    assert plan(x).tobytes() == npconv.conv2d(x, w, **how).tobytes()
    assert other(large).tobytes() == npconv.conv2d(large, w, **how).tobytes()


def test_refusals_say_why() -> None:
    x, w = np.zeros((1, 4, 9, 9), np.float32), np.zeros((6, 2, 3, 3), np.float32)
    with pytest.raises(ValueError, match=r'"depthwise" cannot serve here: .* have 2 in and 3 out'):
        npconv.conv2d(x, w, groups=2, algorithm="depthwise")
    with pytest.raises(ValueError, match=r'"depthwise" cannot serve here: .* have 4 in and 4 out'):
        npconv.conv2d(x, np.zeros((4, 4, 3, 3), np.float32), algorithm="depthwise")
    x, w = np.zeros((1, 4, 9), np.float32), np.zeros((4, 1, 2), np.float32)
    far = 2**50
    with pytest.raises(ValueError, match="padding or the dilation is too large"):
        npconv.conv1d(x, w, groups=4, dilation=far, padding=((far, 0),), algorithm="depthwise")
    far = 10**8
    how: dict[str, Any] = {"dilation": far, "padding": ((far, 0),), "padding_mode": "replicate"}
    with pytest.raises(ValueError, match="window is too large"):
        npconv.conv1d(x, w, groups=4, algorithm="depthwise", **how)
    for dilation in (far, 2**50):  # another algorithm serves
        npconv.conv1d(x, w, groups=4, dilation=dilation, padding=((dilation, 0),))


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wanted", LANES)
def test_workspace_is_told_exactly_and_bounded(wanted: str, layout: str, threads: int, isa: str) -> None:
    with lane(wanted):
        for size, kernel in [((500, 700), (7, 7)), ((20, 20), (3, 3)), ((1, 200_000), (1, 9))]:
            x, w, how = layer(6, size, kernel, layout)
            plan = npconv.plan_conv(x.shape, w, num_threads=threads, **how)
            out = plan(x)
            before = _core._buffer_bytes_made()
            plan(x, out=out)
            assert _core._buffer_bytes_made() - before == plan.workspace_bytes
            assert plan.workspace_bytes <= threads * 6 << 20


@pytest.mark.parametrize(
    ("layout", "shape", "kernel", "padding"),
    [
        ("channels_first", (8, 512, 112, 112), (3, 3), 1),
        ("channels_first", (8, 1024, 30, 30), (5, 5), 2),
        ("channels_last", (2, 4, 4, 32), (1, 3), ((0, 0), (50_000, 50_000))),
        ("channels_last", (1, 1, 1, 512), (1, 1), 3000),
        ("channels_last", (4, 56, 56, 2048), (7, 7), 3),
    ],
)
def test_workspace_is_bounded_whatever_the_batch_and_the_border(
    layout: str, shape: tuple[int, ...], kernel: tuple[int, int], padding: Any
) -> None:
    channels = shape[1] if layout == "channels_first" else shape[-1]
    w = np.ones((channels, 1, *kernel), np.float32)
    for wanted in ("automatic", *LANES):
        with lane(wanted):
            plan = npconv.plan_conv(shape, w, groups=channels, padding=padding, layout=layout, num_threads=3)
            assert plan.workspace_bytes <= 3 * 6 << 20


def test_a_residual_of_unusual_memory(isa: str) -> None:
    r = random.Random(9)
    for layout in LAYOUTS:
        for _ in range(12):
            case = Case((20, 23), (3, 3), 2, 70, 70, 70, padding=1, residual=True, seed=r.randrange(2**31))
            check(case, isa=isa, layout=layout, algorithm="depthwise", view="strided")


def test_the_lane_does_not_depend_on_the_batch() -> None:
    w, bias = -np.ones((2, 1, 3, 3), np.float32), np.full(2, -0.0, np.float32)
    x = np.zeros((32, 2, 3, 3), np.float32)
    how: dict[str, Any] = {"groups": 2, "padding": 1, "algorithm": "depthwise"}
    alone = npconv.conv2d(x[:1], w, bias, **how)
    for batch in (2, 4, 32):
        assert npconv.conv2d(x[:batch], w, bias, **how)[:1].tobytes() == alone.tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("algorithm", ["auto", "gemm", "depthwise", "direct"])
def test_an_axis_that_is_border_alone(algorithm: str, layout: str, isa: str) -> None:
    case = Case((0, 9), (3, 3), 1, 4, 4, 4, padding=2, bias=True)
    check(case, isa=isa, layout=layout, algorithm=algorithm)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_auto_takes_it_and_explain_tells(layout: str) -> None:
    shape = (1, 96, 28, 28) if layout == "channels_first" else (1, 28, 28, 96)
    w = np.zeros((96, 1, 5, 5), np.float32)
    plan = npconv.plan_conv(shape, w, padding=2, groups=96, layout=layout)
    assert plan.algorithm == "depthwise"
    if layout == "channels_last":
        assert "7 pixels x" in plan.explain()
        assert "lane = channel" in plan.explain()
