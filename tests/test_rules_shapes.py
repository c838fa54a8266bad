# SPDX-License-Identifier: BSD-3-Clause
"""The design page's rules on shapes: forms, layouts, stride, dilation, groups, padding and its modes, flip.

One test a rule, whose name says it. Data are small integers, so that results are exact.
"""

from __future__ import annotations

import math
from typing import Any

import npconv
import numpy as np
import pytest
import scipy.signal
from rules import (
    CONV,
    KERNEL,
    NUMPY_MODES,
    RANKS,
    SPATIAL,
    ints,
    oracle,
    pad_spatial,
    problem,
    same,
    to_last,
)

every_rank = pytest.mark.parametrize("rank", RANKS)
every_mode = pytest.mark.parametrize("mode", NUMPY_MODES)

# ---- the definition ----------------------------------------------------------------------------------------


def test_the_operation_is_cross_correlation_by_hand() -> None:
    x = np.array([1.0, 2.0, 4.0, 8.0])
    np.testing.assert_array_equal(npconv.conv1d(x, np.array([1.0, 10.0])), [21.0, 42.0, 84.0])


@every_rank
def test_the_operation_is_cross_correlation_as_in_scipy(rank: int) -> None:
    x, w = ints(SPATIAL[rank], np.float64), ints(KERNEL[rank], np.float64, 1)
    same(CONV[rank](x, w), scipy.signal.correlate(x, w, "valid", method="direct"))


@every_rank
def test_input_channels_are_summed(rank: int) -> None:
    x, w, _ = problem(rank)
    parts = [CONV[rank](x[:, c : c + 1], w[:, c : c + 1]) for c in range(x.shape[1])]
    same(CONV[rank](x, w), np.sum(parts, axis=0, dtype=np.float32))


# ---- forms and layouts -------------------------------------------------------------------------------------


@every_rank
def test_batched_input_gives_batched_output(rank: int) -> None:
    x, w, bias = problem(rank)
    y = CONV[rank](x, w, bias)
    assert y.shape == (2, 4, *[n - k + 1 for n, k in zip(SPATIAL[rank], KERNEL[rank], strict=True)])
    same(y, oracle(rank, x, w, bias))


@every_rank
def test_unbatched_input_gives_unbatched_output(rank: int) -> None:
    x, w, bias = problem(rank)
    same(CONV[rank](x[1], w, bias), oracle(rank, x, w, bias)[1])


@every_rank
def test_input_and_weights_of_spatial_axes_alone_are_one_channel(rank: int) -> None:
    x, w = ints(SPATIAL[rank]), ints(KERNEL[rank], seed=1)
    bias = ints((1,), seed=2)
    y = CONV[rank](x, w, bias, padding=1)
    same(y, CONV[rank](x[None, None], w[None, None], bias, padding=1)[0, 0])
    same(y, CONV[rank](x, w, bias, padding=1, layout="channels_last"))


@every_rank
def test_channels_last_is_channels_first_with_the_channels_last(rank: int) -> None:
    x, w, bias = problem(rank)
    want = to_last(oracle(rank, x, w, bias, padding=1), rank)
    same(CONV[rank](to_last(x, rank), w, bias, padding=1, layout="channels_last"), want)
    same(CONV[rank](to_last(x[0], rank), w, bias, padding=1, layout="channels_last"), want[0])


@every_rank
def test_residual_and_out_are_in_the_layout_of_x(rank: int) -> None:
    x, w, _ = problem(rank)
    first = oracle(rank, x, w)
    residual = ints(first.shape, seed=7)
    out = to_last(np.full_like(first, np.nan), rank)
    y = CONV[rank](to_last(x, rank), w, residual=to_last(residual, rank), layout="channels_last", out=out)
    assert y is out
    same(y, to_last(first + residual, rank))


@every_rank
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_weights_are_out_in_kernel_in_both_layouts(rank: int, layout: str) -> None:
    """Which of the axes of w is which shows where all their sizes differ."""
    x, w = ints((1, 5, *SPATIAL[rank])), ints((7, 5, *KERNEL[rank]), seed=1)
    want = oracle(rank, x, w)
    if layout == "channels_last":
        x, want = to_last(x, rank), to_last(want, rank)
    same(CONV[rank](x, w, layout=layout), want)


def test_spatial_axes_keep_their_order() -> None:
    """A kernel with one tap other than zero shifts the image along the axis of that tap."""
    x = ints((1, 1, 4, 5, 6))
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = 2
        w = np.zeros(shape, np.float32)
        w.flat[1] = 1
        same(npconv.conv3d(x, w), np.ascontiguousarray(np.delete(x, 0, 2 + axis)))


# ---- stride, dilation, groups ------------------------------------------------------------------------------


@every_rank
def test_stride_takes_every_nth_pixel(rank: int) -> None:
    x, w, _ = problem(rank)
    dense = CONV[rank](x, w)
    for stride in ((1, 2, 3)[:rank], (3, 1, 2)[:rank], (2, 2, 2)[:rank], (50, 50, 50)[:rank]):
        same(CONV[rank](x, w, stride=stride), dense[(..., *[slice(None, None, s) for s in stride])])


@every_rank
def test_dilation_puts_zeros_between_the_taps(rank: int) -> None:
    x, w, _ = problem(rank)
    for dilation in ((1, 2, 3)[:rank], (2, 1, 2)[:rank]):
        sizes = [d * (k - 1) + 1 for k, d in zip(KERNEL[rank], dilation, strict=True)]
        spread = np.zeros((*w.shape[:2], *sizes), w.dtype)
        spread[(..., *[slice(None, None, d) for d in dilation])] = w
        same(CONV[rank](x, w, dilation=dilation, padding=2), CONV[rank](x, spread, padding=2))


@every_rank
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_groups_do_not_see_each_other(rank: int, groups: int) -> None:
    x = ints((2, 6, *SPATIAL[rank]))
    w, bias = ints((12, 6 // groups, *KERNEL[rank]), seed=1), ints((12,), seed=2)
    parts = [
        CONV[rank](xs, ws, bs)
        for xs, ws, bs in zip(
            np.split(x, groups, 1), np.split(w, groups), np.split(bias, groups), strict=True
        )
    ]
    same(CONV[rank](x, w, bias, groups=groups), np.concatenate(parts, 1))


@every_rank
@pytest.mark.parametrize("name", ["stride", "dilation", "padding"])
def test_one_int_is_the_same_for_all_axes(rank: int, name: str) -> None:
    x, w, _ = problem(rank)
    same(CONV[rank](x, w, **{name: 2}), CONV[rank](x, w, **{name: (2,) * rank}))


class Two:
    def __index__(self) -> int:
        return 2


@every_rank
@pytest.mark.parametrize("name", ["stride", "dilation", "padding"])
def test_ints_may_be_numpy_ints_or_have_index_and_tuples_may_be_lists(rank: int, name: str) -> None:
    x, w, _ = problem(rank)
    want = CONV[rank](x, w, **{name: 2})
    for two in (np.int64(2), np.uint8(2), np.int8(2), Two()):
        same(CONV[rank](x, w, **{name: two}), want)
        same(CONV[rank](x, w, **{name: [two] * rank}), want)
    pairs = [[np.int16(2), Two()]] * rank
    same(CONV[rank](x, w, padding=pairs), CONV[rank](x, w, padding=2))
    grouped = np.concatenate([w[:2, :1]] * 6)  # 12 channels from 3
    for three in (3, np.int64(3), np.uint16(3)):
        same(CONV[rank](x, grouped, groups=three), oracle(rank, x, grouped, groups=3))


# ---- padding -----------------------------------------------------------------------------------------------


@every_rank
def test_padding_int_is_on_both_sides_of_every_axis(rank: int) -> None:
    x, w, _ = problem(rank)
    same(CONV[rank](x, w, padding=2), CONV[rank](pad_spatial(x, [(2, 2)] * rank, "zeros"), w))


@every_rank
def test_padding_tuple_of_ints_is_one_for_each_axis(rank: int) -> None:
    x, w, _ = problem(rank)
    amounts = (1, 0, 3)[:rank]
    same(CONV[rank](x, w, padding=amounts), CONV[rank](pad_spatial(x, [(p, p) for p in amounts], "zeros"), w))


@every_rank
def test_padding_pairs_are_before_and_after(rank: int) -> None:
    x, w, _ = problem(rank)
    pairs = ((1, 2), (3, 0), (0, 1))[:rank]
    same(CONV[rank](x, w, padding=pairs), CONV[rank](pad_spatial(x, list(pairs), "zeros"), w))


def test_padding_of_1d_pair_has_its_own_tuple_and_one_int_in_a_tuple_is_both_sides() -> None:
    x, w = ints((5,)), ints((3,), seed=1)
    same(npconv.conv1d(x, w, padding=((1, 2),)), npconv.conv1d(np.pad(x, (1, 2)), w))
    same(npconv.conv1d(x, w, padding=(1,)), npconv.conv1d(np.pad(x, 1), w))
    with pytest.raises(ValueError, match="padding"):
        npconv.conv1d(x, w, padding=(1, 2))


@every_rank
def test_padding_valid_is_none(rank: int) -> None:
    x, w, _ = problem(rank)
    same(CONV[rank](x, w, padding="valid"), CONV[rank](x, w))


@every_rank
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_full_is_dilation_times_kernel_less_one_on_both_sides(
    rank: int, dilation: int, stride: int
) -> None:
    x, w, _ = problem(rank)
    pads = tuple(dilation * (k - 1) for k in KERNEL[rank])
    how: dict[str, Any] = {"dilation": dilation, "stride": stride}
    same(CONV[rank](x, w, padding="full", **how), CONV[rank](x, w, padding=pads, **how))


# size, kernel, stride, dilation -> total padding, worked out by hand: (ceil(size/stride) - 1) * stride +
# dilation * (kernel - 1) + 1 - size, or 0 where that is negative
BY_HAND = [
    ((5, 3, 1, 1), 2),
    ((5, 4, 1, 1), 3),
    ((5, 2, 1, 1), 1),
    ((5, 2, 1, 3), 3),
    ((5, 4, 2, 1), 3),
    ((6, 3, 2, 1), 1),
    ((6, 4, 3, 1), 1),
    ((7, 1, 2, 1), 0),
    ((8, 1, 3, 1), 0),
    ((9, 2, 5, 1), 0),
    ((224, 7, 2, 1), 5),
    ((1, 6, 4, 1), 5),
    ((10, 3, 4, 2), 3),
]
SAME = {
    "same": lambda total: (total // 2, total - total // 2),  # the odd element after: TensorFlow, Keras
    "same_lower": lambda total: (total - total // 2, total // 2),  # before: ONNX's SAME_LOWER
    "causal": lambda total: (total, 0),
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize(("shape", "total"), BY_HAND)
def test_padding_same_gives_ceil_of_input_by_stride(
    name: str, shape: tuple[int, int, int, int], total: int
) -> None:
    size, kernel, stride, dilation = shape
    x, w = ints((size,)), ints((kernel,), seed=1)
    y = npconv.conv1d(x, w, stride=stride, dilation=dilation, padding=name)
    assert y.shape == (math.ceil(size / stride),)
    same(y, npconv.conv1d(np.pad(x, SAME[name](total)), w, stride=stride, dilation=dilation))


@pytest.mark.parametrize("name", SAME)
def test_padding_same_is_worked_out_for_each_axis(name: str) -> None:
    """6x3x9 with kernel 4x2x3, stride 1x2x3, dilation 1x1x2: totals 3, 1 and 2."""
    x, w = ints((2, 2, 6, 3, 9)), ints((3, 2, 4, 2, 3), seed=1)
    how: dict[str, Any] = {"stride": (1, 2, 3), "dilation": (1, 1, 2)}
    pads = [SAME[name](total) for total in (3, 1, 2)]
    y = npconv.conv3d(x, w, padding=name, **how)
    assert y.shape == (2, 3, 6, 2, 3)
    same(y, npconv.conv3d(pad_spatial(x, pads, "zeros"), w, **how))


def test_padding_same_at_stride_1_is_that_of_pytorch() -> None:
    """PyTorch pads dilation * (kernel - 1) in all, half of it rounded down on the left."""
    x = ints((11,))
    for kernel in (1, 2, 3, 4, 5, 6):
        for dilation in (1, 2, 3):
            w = ints((kernel,), seed=kernel)
            left = dilation * (kernel - 1) // 2
            padded = np.pad(x, (left, dilation * (kernel - 1) - left))
            same(
                npconv.conv1d(x, w, padding="same", dilation=dilation),
                npconv.conv1d(padded, w, dilation=dilation),
            )


def test_padding_causal_never_sees_the_future() -> None:
    x, w = ints((20,)), ints((3,), seed=1)
    y = npconv.conv1d(x, w, padding="causal", dilation=2)
    x[10:] = np.nan
    np.testing.assert_array_equal(npconv.conv1d(x, w, padding="causal", dilation=2)[:10], y[:10])


# ---- padding_mode ------------------------------------------------------------------------------------------


@every_rank
@every_mode
def test_padding_mode_is_that_of_np_pad(rank: int, mode: str) -> None:
    x, w, bias = problem(rank)
    for pads in ([(1, 1)] * rank, [(2, 1), (0, 3), (1, 0)][:rank], [(4, 4)] * rank):
        y = CONV[rank](x, w, bias, padding=pads, padding_mode=mode)
        same(y, CONV[rank](pad_spatial(x, pads, mode), w, bias))


@every_mode
def test_padding_may_be_larger_than_the_input(mode: str) -> None:
    w = ints((5,), seed=1)
    for size in (1, 2, 3, 4):
        x = ints((size,), seed=size)
        for pads in ((7, 0), (0, 9), (11, 13), (100, 50)):
            same(
                npconv.conv1d(x, w, padding=(pads,), padding_mode=mode),
                npconv.conv1d(np.pad(x, pads, NUMPY_MODES[mode]), w),
            )


@every_mode
@pytest.mark.parametrize("padding", ["full", "same", "same_lower", "causal"])
def test_named_paddings_combine_with_padding_modes(mode: str, padding: str) -> None:
    x, w, bias = problem(2)
    how: dict[str, Any] = {"stride": (2, 1), "dilation": (1, 3), "padding": padding, "padding_mode": mode}
    same(npconv.conv2d(x, w, bias, **how), oracle(2, x, w, bias, **how))


def test_reflect_does_not_repeat_the_edge_by_hand() -> None:
    y = npconv.conv1d(np.array([1.0, 2.0, 3.0]), np.ones(1), padding=2, padding_mode="reflect")
    np.testing.assert_array_equal(y, [3, 2, 1, 2, 3, 2, 1])


def test_reflect_of_one_element_is_that_element() -> None:
    y = npconv.conv1d(np.array([5.0]), np.ones(1), padding=3, padding_mode="reflect")
    np.testing.assert_array_equal(y, [5.0] * 7)


def test_padded_zeros_are_real_zeros() -> None:
    """An infinite weight that meets the border gives NaN there, and nowhere else."""
    x, w = np.ones(3), np.array([np.inf, 1.0])
    np.testing.assert_array_equal(npconv.conv1d(x, w, padding=1), [np.nan, np.inf, np.inf, np.inf])


# ---- flip --------------------------------------------------------------------------------------------------


def test_flip_is_np_convolve() -> None:
    for n, k in ((9, 4), (5, 5), (7, 1)):
        x, w = ints((n,), np.float64), ints((k,), np.float64, 1)
        for padding in ("full", "valid"):
            same(npconv.conv1d(x, w, padding=padding, flip=True), np.convolve(x, w, padding))


@every_rank
def test_flip_reverses_all_spatial_axes_of_w(rank: int) -> None:
    x, w, bias = problem(rank)
    turned = np.flip(w, tuple(range(2, 2 + rank)))
    same(CONV[rank](x, w, bias, flip=True), CONV[rank](x, turned, bias))
    single = x[0, 0].astype(np.float64), w[0, 0].astype(np.float64)
    want = scipy.signal.convolve(*single, "full", method="direct")
    same(CONV[rank](*single, padding="full", flip=np.bool_(True)), want)


# ---- empty results -----------------------------------------------------------------------------------------


@every_rank
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_empty_batch_empty_output_channels_and_empty_axes_give_empty_results(rank: int, layout: str) -> None:
    x, w, bias = problem(rank)
    no_pixels = np.empty((2, 3, 0, *SPATIAL[rank][1:]), np.float32)
    results = []
    for xs, ws, bs in ((x[:0], w, bias), (x, w[:0], bias[:0]), (no_pixels, w, bias)):
        xs_laid = to_last(xs, rank) if layout == "channels_last" else xs
        y = CONV[rank](xs_laid, ws, bs, padding="same", layout=layout)
        results.append(np.moveaxis(y, -1, 1) if layout == "channels_last" else y)
    shapes = [(0, 4, *SPATIAL[rank]), (2, 0, *SPATIAL[rank]), (2, 4, 0, *SPATIAL[rank][1:])]
    assert [y.shape for y in results] == shapes
    assert all(y.dtype == np.float32 for y in results)


@every_rank
def test_without_input_channels_the_sum_is_zero(rank: int) -> None:
    x, w, bias = problem(rank)
    shape = CONV[rank](x, w).shape
    residual = ints(shape, seed=5)
    y = CONV[rank](x[:, :0], w[:, :0], bias, residual=residual, activation="relu")
    same(y, np.maximum(residual + bias.reshape(-1, *[1] * rank), 0))
    same(CONV[rank](x[:, :0], w[:, :0]), np.zeros(shape, np.float32))


def test_a_border_of_zeros_around_an_empty_axis_is_real() -> None:
    same(npconv.conv1d(np.empty(0, np.float32), ints((3,)), padding=2), np.zeros(2, np.float32))


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_rows_of_volumes_whose_depth_alone_has_taps(layout: str, isa: str) -> None:
    """Height and width are one axis then, whatever the memory: Winograd's algorithm serves, too."""
    x, w = ints((2, 3, 9, 5, 7)), ints((4, 3, 3, 1, 1), seed=1)
    residual = ints((2, 4, 9, 5, 7), seed=2)
    want = oracle(3, x, w, padding=((1, 1), (0, 0), (0, 0))) + residual
    how: dict[str, Any] = {"padding": (1, 0, 0), "layout": layout}
    if layout == "channels_last":
        x, residual, want = to_last(x, 3), to_last(residual, 3), to_last(want, 3)
    for algorithm in ("gemm", "winograd_f2", "naive", "auto"):
        same(npconv.conv3d(x, w, residual=residual, algorithm=algorithm, **how), want)
        plan = npconv.plan_conv((None, *x.shape[1:]), w, algorithm=algorithm, **how)
        assert plan.output_shape == (None, *want.shape[1:])
        same(plan(x, residual=residual), want)
        other = x.swapaxes(2, 3).copy().swapaxes(2, 3)  # rows that do not follow each other
        same(plan(other, residual=residual[::-1].copy()[::-1]), want)
    assert "the depth, which alone has taps" in plan.explain()
    small = plan.for_shape(x[:, :, :, :3].shape)
    part = npconv.conv3d(np.ascontiguousarray(x[:, :, :, :3]), w, algorithm="naive", **how)
    same(small(np.ascontiguousarray(x[:, :, :, :3])), part)
    plan.update_weights(2 * w)
    same(plan(x), 2 * npconv.conv3d(x, w, algorithm="naive", **how))
