# SPDX-License-Identifier: BSD-3-Clause
"""The direct convolution (few output channels, lanes of pixels): every argument, exact, and its refusals."""

from __future__ import annotations

import random
from typing import Any

import npconv
import numpy as np
import pytest
from cases import DTYPES, LAYOUTS, MODES, Case, check, forced, random_case, small_tiles, solve
from npconv import _core
from reference import Array

# Rank, kernel, stride, dilation, padding: tiles of several rows, of one, and of vectors along a row.
SHAPES = (
    Case((37,), (1,)),
    Case((700,), (33,)),
    Case((900,), (129,), padding="same"),
    Case((300,), (70,), padding=9, dilation=2),
    Case((301,), (40,), stride=3, padding="full"),
    Case((21, 230), (3, 3), padding=1),
    Case((30, 40), (5, 5), padding=2),
    Case((33, 47), (31, 31), padding=15),
    Case((9, 260), (1, 40)),
    Case((17, 60), (1, 7), padding=(0, 3)),
    Case((60, 17), (7, 1), padding=(3, 0)),
    Case((19, 23), (3, 3), stride=2, padding=1),
    Case((40, 33), (5, 3), stride=(3, 1), padding=2),
    Case((40, 33), (5, 3), stride=(2, 3), dilation=(3, 2), padding="full"),
    Case((50, 41), (4, 3), dilation=(6, 2), padding="same"),
    Case((26, 25), (4, 4), stride=2, dilation=2),
    Case((6, 9, 40), (3, 3, 3), padding=1),
    Case((7, 8, 21), (2, 1, 4), stride=(2, 1, 2), padding="same"),
    Case((16, 18), (1, 1)),
    Case((5, 5), (3, 3), padding=(30, 40)),
)
# in, out, groups
CHANNELS = ((1, 1, 1), (3, 2, 1), (19, 3, 1), (4, 8, 2), (5, 5, 5), (12, 18, 3), (70, 7, 1))


def of(shape: Case, channels: tuple[int, int, int], seed: int, **more: Any) -> Case:
    cin, cout, groups = channels
    fields = {name: getattr(shape, name) for name in ("stride", "padding", "dilation")}
    return Case(
        shape.spatial, shape.kernel, 2, cin, cout, groups, **fields, bias=seed % 2 == 0, seed=seed, **more
    )


@pytest.mark.parametrize("channels", CHANNELS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: repr(s)[5:-1])
def test_is_exact(shape: Case, channels: tuple[int, int, int], isa: str) -> None:
    seed = SHAPES.index(shape) * len(CHANNELS) + CHANNELS.index(channels)
    case = of(
        shape,
        channels,
        seed,
        mode=MODES[seed % 4] if seed % 3 == 0 else "zeros",
        flip=seed % 5 == 0,
        residual=seed % 3 == 1,
        activation=(None, "relu", ("clip", -30.0, 40.0))[seed % 3],
    )
    for dtype in DTYPES:
        solution = solve(case, dtype)
        for layout in LAYOUTS:
            for small in (False, True):
                how: dict[str, Any] = {"dtype": dtype, "layout": layout, "small_tiles": small}
                check(case, isa=isa, algorithm="direct", threads=2, solution=solution, **how)


@pytest.mark.parametrize("seed", range(6))
def test_random_cases(seed: int, isa: str) -> None:
    r = random.Random(f"direct {seed}")
    rng = np.random.default_rng(seed)
    for _ in range(40):
        case = random_case(r, data=r.choice((None, "nonfinite", "normal", "wide")), inexact=True)
        if case.cin == 0 or not 0 < case.cout // case.groups <= 8:
            continue
        view = str(rng.choice(("plain", "strided", "misaligned")))
        how = {
            "view": view,
            "small_tiles": bool(rng.integers(2)),
            "form": str(rng.choice(("call", "inplace", "plan"))),
        }
        dtype, layout = r.choice(DTYPES), r.choice(LAYOUTS)
        check(
            case,
            isa=isa,
            algorithm="direct",
            dtype=dtype,
            layout=layout,
            threads=r.choice((1, 2, 3, 7)),
            **how,
        )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: repr(s)[5:-1])
def test_nan_and_infinity_reach_what_the_definition_says(shape: Case, mode: str, isa: str) -> None:
    for layout in LAYOUTS:
        check(
            of(shape, (3, 2, 1), 7, mode=mode, data="nonfinite"), isa=isa, algorithm="direct", layout=layout
        )


def bits(x: Array, w: Array, **how: Any) -> bytes:
    return npconv.plan_conv(x.shape, w, algorithm="direct", **how)(x).tobytes()


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "how"),
    [
        ((2, 9, 40, 230), (3, 9, 3, 3), {"padding": 1}),
        ((2, 33, 40, 60), (2, 33, 5, 5), {"padding": 2, "stride": 2}),
        ((2, 1, 3000), (1, 1, 129), {}),
        ((2, 16, 30, 57), (8, 4, 3, 3), {"padding": 1, "groups": 4, "dilation": 2}),
        ((2, 40, 20, 20), (6, 40, 1, 1), {}),
        ((1, 2, 5, 20, 224), (4, 2, 3, 3, 3), {"padding": 1}),
    ],
)
def test_bits_are_the_same_for_threads_batches_strides_and_tiles(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], how: dict[str, Any], isa: str
) -> None:
    rng = np.random.default_rng(5)
    for dtype in DTYPES:
        x, w = rng.standard_normal(x_shape).astype(dtype), rng.standard_normal(w_shape).astype(dtype)
        plan = npconv.plan_conv(x.shape, w, algorithm="direct", **how)
        y = plan(x)
        for threads in (1, 2, 3, 7):
            assert bits(x, w, num_threads=threads, **how) == y.tobytes()
        # One image alone; every second value of a larger array; rows backwards; channels that are neighbours.
        assert bits(x[-1:], w, **how) == y[-1:].tobytes()
        spread = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), dtype)
        spread[..., ::2] = x
        assert plan(spread[..., ::2]).tobytes() == y.tobytes()
        assert plan(np.ascontiguousarray(x[..., ::-1])[..., ::-1]).tobytes() == y.tobytes()
        last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        assert plan(last).tobytes() == y.tobytes()
        y_last = npconv.plan_conv(
            np.moveaxis(x, 1, -1).shape, w, algorithm="direct", layout="channels_last", **how
        )(np.ascontiguousarray(np.moveaxis(x, 1, -1)))
        assert np.ascontiguousarray(np.moveaxis(y_last, -1, 1)).tobytes() == y.tobytes()
        with small_tiles():
            assert bits(x, w, **how) == y.tobytes()


def test_a_plan_for_another_shape_shares_its_weights(isa: str) -> None:
    rng = np.random.default_rng(6)
    w = rng.standard_normal((2, 3, 3, 3)).astype(np.float32)
    plan = npconv.plan_conv((None, 3, 20, 300), w, padding=1, algorithm="direct")
    for size in ((7, 9), (300, 20), (1, 1)):
        x = rng.standard_normal((2, 3, *size)).astype(np.float32)
        other = plan.for_shape((None, 3, *size))
        assert other.algorithm == "direct"
        np.testing.assert_array_equal(other(x), npconv.conv2d(x, w, padding=1, algorithm="direct"))


def test_workspace_is_what_it_says_and_small(isa: str) -> None:
    for x_shape, w_shape, how in (
        ((1, 1, 2048, 2048), (1, 1, 31, 31), {"padding": 15}),
        ((1, 1, 480_000), (1, 1, 1024), {}),
        ((1, 512, 60, 60), (4, 512, 3, 3), {"padding": 24, "dilation": 24}),
        ((1, 2048, 14, 14), (8, 2048, 1, 1), {}),
        ((1, 8, 1560, 50), (2, 8, 3, 3), {"dilation": (390, 1)}),
    ):
        w = np.zeros(w_shape, np.float32)
        plan = npconv.plan_conv(x_shape, w, algorithm="direct", num_threads=2, **how)
        assert plan.workspace_bytes <= 2 * 6 << 20
        x = np.zeros(x_shape, np.float32)
        plan(x)
        before = _core._buffer_bytes_made()
        plan(x)
        assert _core._buffer_bytes_made() - before == plan.workspace_bytes


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "how", "reason"),
    [
        ((1, 3, 8, 8), (9, 3, 3, 3), {}, "a group has more than 8 output channels, 9"),
        ((1, 0, 8, 8), (2, 0, 3, 3), {}, "there are no input channels"),
        (
            (1, 1, 8),
            (1, 1, 3),
            {"padding": 2**50, "stride": 2**40},
            "padding, stride or dilation reach too far",
        ),
        ((1, 1, 70_000), (1, 1, 66_000), {}, "the kernel is too large"),
    ],
)
def test_refusals(x_shape: Any, w_shape: Any, how: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=f'algorithm="direct" cannot serve here: {reason}'):
        npconv.plan_conv(x_shape, np.zeros(w_shape, np.float32), algorithm="direct", **how)
    npconv.plan_conv(x_shape, np.zeros(w_shape, np.float32), **how)  # others can


def test_a_stride_beyond_all_numbers_of_an_empty_map() -> None:
    w = np.ones((6, 1, 3, 1), np.float32)
    how: dict[str, Any] = {"stride": (2**63 - 1, 1), "padding": "same", "groups": 3, "algorithm": "direct"}
    plan = npconv.plan_conv((2, 3, 0, 2), w, **how)
    assert plan.output_shape == (2, 6, 0, 2)


def test_explain_says_how_it_is_cut() -> None:
    plan = npconv.plan_conv(
        (1, 64, 256, 256), np.zeros((3, 64, 3, 3), np.float32), padding=1, algorithm="direct"
    )
    text = plan.explain()
    assert "algorithm    direct (asked for: direct)" in text
    assert "lane = pixel" in text
    assert "chunk(s) of at most" in text


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "how"),
    [
        ((1, 32, 256, 256), (1, 32, 5, 5), {"padding": 2}),
        ((1, 1, 480_000), (1, 1, 129), {}),
        ((1, 1, 2048, 2048), (1, 1, 11, 11), {"padding": 5}),
    ],
)
def test_auto_chooses_it_where_it_is_by_far_the_fastest(
    x_shape: Any, w_shape: Any, how: dict[str, Any]
) -> None:
    for isa in _core._isa_names():
        with forced(isa):
            plan = npconv.plan_conv(x_shape, np.zeros(w_shape, np.float32), **how)
            assert plan.algorithm == "direct", isa


def test_auto_leaves_layers_of_many_channels_to_others() -> None:
    for x_shape, w_shape in (((1, 64, 56, 56), (64, 64, 3, 3)), ((1, 3, 224, 224), (32, 3, 3, 3))):
        plan = npconv.plan_conv(x_shape, np.zeros(w_shape, np.float32), padding=1)
        assert plan.algorithm != "direct"
