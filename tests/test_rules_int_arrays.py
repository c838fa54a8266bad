# SPDX-License-Identifier: BSD-3-Clause
"""Integer arrays and NumPy's integers are taken wherever a tuple of ints or an int is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import npconv
import numpy as np
import pytest
from npconv import grad
from rules import KERNEL, RANKS, SPATIAL, ints, same
from test_pool_errors import FUNCTIONS, right_call

every_rank = pytest.mark.parametrize("rank", RANKS)
FORMS: list[Callable[[list[int]], Any]] = [
    list,
    lambda v: tuple(np.int64(n) for n in v),
    lambda v: [np.uint8(n) for n in v],
    np.array,
    lambda v: np.array(v, np.int8),
    lambda v: np.array(v, ">u4"),
    lambda v: np.array(v, np.uint64),
    lambda v: np.array(v, object),
    lambda v: np.repeat(v, 2)[::2],
]
NUMBERS: list[Callable[[int], Any]] = [np.int64, np.int8, np.uint64]


def calls(rank: int) -> dict[str, tuple[Any, dict[str, Any], dict[str, Any]]]:
    """Functions of convolution: with right arguments, and those of them that are lists of ints."""
    n, x = rank, ints((2, 4, *[9] * rank))
    w, shape = ints((6, 4, *KERNEL[rank]), seed=1), [*x.shape]
    lists: dict[str, Any] = {"stride": [2, 1, 2][:n], "padding": [1, 0, 1][:n], "dilation": [1, 2, 1][:n]}
    pads = {"padding": [[0, 1], [1, 0], [1, 1]][:n]}
    turned = np.swapaxes(w, 0, 1).copy()
    whole = lists | {"output_padding": [1, 0, 1][:n]}
    y = getattr(npconv, f"conv{n}d")(x, w, **lists)
    z = getattr(npconv, f"conv_transpose{n}d")(x, turned, **whole)
    sized = {k: lists[k] for k in ("stride", "dilation", "padding")} | {"output_size": [*z.shape[2:]]}
    of_x, of_w = {"input_shape": shape}, {"weight_shape": [*w.shape]}
    of_turned = {"weight_shape": [*turned.shape]}
    plan: dict[str, Any] = {"x_shape": shape}
    free = npconv.plan_conv((None, *x.shape[1:]), w)

    def planned(make: Any, *inputs: Any) -> Any:
        return lambda **how: make(**how)(*inputs)

    return {
        "conv": (getattr(npconv, f"conv{n}d"), {"x": x, "w": w}, lists),
        "conv, pairs": (getattr(npconv, f"conv{n}d"), {"x": x, "w": w}, pads),
        "conv_transpose": (getattr(npconv, f"conv_transpose{n}d"), {"x": x, "w": turned}, whole),
        "conv_transpose to a size": (getattr(npconv, f"conv_transpose{n}d"), {"x": x, "w": turned}, sized),
        "conv_input": (getattr(grad, f"conv{n}d_input"), {"w": w, "grad_out": y}, lists | of_x),
        "conv_weight": (getattr(grad, f"conv{n}d_weight"), {"x": x, "grad_out": y}, lists | of_w),
        "conv_transpose_input": (
            getattr(grad, f"conv_transpose{n}d_input"), {"w": turned, "grad_out": z}, whole | of_x
        ),
        "conv_transpose_weight": (
            getattr(grad, f"conv_transpose{n}d_weight"), {"x": x, "grad_out": z}, whole | of_turned
        ),
        "plan_conv": (planned(npconv.plan_conv, x), {"w": w}, lists | plan),
        "plan_conv_transpose": (planned(npconv.plan_conv_transpose, x), {"w": turned}, whole | plan),
        "plan_conv_input_grad": (planned(npconv.plan_conv_input_grad, y), {"w": w}, lists | plan),
        "plan_conv_weight_grad": (
            planned(npconv.plan_conv_weight_grad, x, y), {}, lists | plan | {"w": [*w.shape]}
        ),
        "for_shape": (lambda x_shape: free.for_shape(x_shape)(x), {}, plan),
    }  # fmt: skip


@every_rank
def test_convolutions_take_arrays_as_they_take_tuples(rank: int) -> None:
    for name, (function, right, lists) in calls(rank).items():
        want = function(
            **right, **{k: tuple(map(tuple, v)) if "pairs" in name else tuple(v) for k, v in lists.items()}
        )
        for form in FORMS:
            if "pairs" in name:
                given: list[dict[str, Any]] = [{"padding": [form(pair) for pair in lists["padding"]]}]
                if form not in FORMS[1:3]:
                    given.append({"padding": np.array(lists["padding"])})
            else:
                given = [{k: form(v)} for k, v in lists.items()]
            for one in given:
                same(
                    function(
                        **right, **{k: tuple(v) for k, v in (lists | one).items() if k not in one}, **one
                    ),
                    want,
                )


def test_separable_convolutions_take_arrays() -> None:
    x, depthwise, pointwise = ints((2, 4, 9, 9)), ints((4, 1, 3, 3), seed=1), ints((5, 4, 1, 1), seed=2)
    how = {"stride": (2, 1), "padding": ((0, 1), (1, 1)), "dilation": (1, 2)}
    arrays = {k: np.array(v) for k, v in how.items()}
    want = npconv.separable_conv2d(x, depthwise, pointwise, **how)
    same(npconv.separable_conv2d(x, depthwise, pointwise, **arrays), want)
    same(npconv.plan_separable_conv2d(np.array(x.shape), depthwise, pointwise, **arrays)(x), want)


@every_rank
@pytest.mark.parametrize("name", FUNCTIONS)
def test_pooling_takes_arrays_as_it_takes_tuples(name: str, rank: int) -> None:
    call = right_call(name, rank)
    right = {k: v for k, v in call.right.items() if k != "out"}
    want = call.function(**right)
    checked = 0
    for argument in ("kernel_size", "output_size", "input_shape"):
        if argument not in right:
            continue
        value = right[argument]
        values = [value] * rank if isinstance(value, int) else [*value]
        for form in FORMS:
            got = call.function(**right | {argument: form(values)})
            for a, b in zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]:
                same(a, b)
            checked += 1
        if isinstance(value, int):
            for number in NUMBERS:
                got = call.function(**right | {argument: number(value)})
                for a, b in zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]:
                    same(a, b)
    assert checked or "global" in name or "max_unpool" in name or name in ("grad.global_max_pool",)


def test_a_free_batch_may_be_an_entry_of_an_array_of_objects() -> None:
    x, w = ints((2, 3, *SPATIAL[2])), ints((4, 3, 3, 3), seed=1)
    plan = npconv.plan_conv(np.array([None, *x.shape[1:]]), w)
    assert plan.x_shape == (None, *x.shape[1:])
    same(plan(x), npconv.conv2d(x, w))
    sizes = npconv.adaptive_avg_pool2d(x, np.array([None, 2], object))
    same(sizes, npconv.adaptive_avg_pool2d(x, (None, 2)))


def test_a_change_of_the_array_later_changes_nothing() -> None:
    x, w = ints((2, 3, 9, 9)), ints((4, 3, 3, 3), seed=1)
    shape, stride, padding = np.array(x.shape), np.array([2, 1]), np.array([[0, 1], [2, 0]])
    plan = npconv.plan_conv(shape, w, stride=stride, padding=padding)
    want = npconv.conv2d(x, w, stride=(2, 1), padding=((0, 1), (2, 0)))
    for a in (shape, stride, padding):
        a[...] = 77
    same(plan(x), want)
    same(plan.for_shape(x.shape)(x), want)


def test_weights_of_integers_are_a_shape_only_where_they_can_be_no_weights() -> None:
    """An array of one axis is the kernel of one channel where x has one axis."""
    plan = npconv.plan_conv_weight_grad((2, 3, 9), np.array([4, 3, 3]))
    assert plan.output_shape == (4, 3, 3)
    plan = npconv.plan_conv_weight_grad((9,), np.array([4, 3, 3]), dtype="float64")
    assert plan.output_shape == (3,)
    with pytest.raises(TypeError, match="w must have dtype float32 or float64, got int64"):
        npconv.plan_conv_weight_grad((1, 3, 9, 9), np.ones((4, 3, 3, 3), int))
