# SPDX-License-Identifier: BSD-3-Clause
"""An error names arguments of the function that was called, and none that it does not have."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import npconv
import numpy as np
import pytest
from npconv import grad
from rules import zero_stride

OPERANDS = {
    "x", "w", "x_shape", "input_shape", "weight_shape", "grad_out", "depthwise_w", "pointwise_w", "cols",
    "output_size", "kernel_size", "indices",
}  # fmt: skip
F = np.float32
REFLECT = {"padding": 1, "padding_mode": "reflect"}
BIG = 2**40


def z(*shape: int) -> Any:
    return zero_stride(*shape)


# Calls that are wrong by the sizes of operands: function, arguments, keywords.
WRONG: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (npconv.conv2d, (z(1, 3, 5, 5), z(4, 2, 3, 3)), {}),
    (npconv.conv2d, (z(1, 3, 5), z(4, 2, 3)), {}),
    (npconv.conv2d, (z(1, 3, 5, 5), z(4, 3, 3, 0)), {}),
    (npconv.conv_transpose2d, (z(1, 3, 5, 5), z(4, 2, 3, 3)), {}),
    (npconv.conv_transpose2d, (z(3, 3, 5), z(4, 2)), {}),
    (npconv.conv_transpose2d, (z(1, 3, BIG, 2**17), z(3, 2, 3, 3)), {}),
    (npconv.conv_transpose2d, (z(1, 3, 5, 5), z(3, 2, 0, 3)), {}),
    (npconv.conv_transpose2d, (z(1, 3, 5, 5), z(3, BIG, 9, 9)), {"stride": BIG}),
    (npconv.plan_conv, ((1, 2, 5, 5), z(4, 3, 3, 3)), {}),
    (npconv.plan_conv, ((1, 3, BIG, BIG), z(4, 3, 3, 3)), {}),
    (npconv.plan_conv, ((BIG, 3, 5, BIG // 8), z(2**20, 3, 3, 3)), {}),
    (npconv.plan_conv, ((1, 3, 5, 0), z(4, 3, 3, 3)), {"padding": 1, "padding_mode": "reflect"}),
    (npconv.plan_conv_transpose, ((1, 2, 5, 5), z(4, 3, 3, 3)), {}),
    (npconv.plan_conv_transpose, ((1, 4, BIG, BIG), z(4, 3, 3, 3)), {"padding": "same", "stride": BIG}),
    (npconv.plan_conv_transpose, ((BIG, 4, BIG, 5), z(4, 3, 3, 3)), {}),
    (npconv.plan_separable_conv2d, ((1, 0, 5, 5), z(3, 1, 3, 3), z(4, 3, 1, 1)), {}),
    (npconv.plan_separable_conv2d, ((1, 2, 5, 5), z(3, 1, 3, 3), z(4, 3, 1, 1)), {}),
    (npconv.plan_separable_conv2d, ((1, 3, BIG, BIG), z(3, 1, 3, 3), z(4, 3, 1, 1)), {}),
    (npconv.plan_separable_conv2d, ((1, 3, 5, 5), z(3, 1, 3, 3), z(2**20, 3, 1, 1)), {}),
    (npconv.separable_conv2d, (z(1, 3, 5, 5), z(3, 1, 3, 3), z(2**20, 3, 1, 1)), {}),
    (npconv.separable_conv2d, (z(1, 3, 5, 5), z(3 * 2**20, 1, 3, 3), z(4, 3 * 2**20, 1, 1)), {}),
    (npconv.separable_conv2d, (z(1, 3, 2**30, 2**28), z(3, 1, 3, 3), z(2**20, 3, 1, 1)), {}),
    (npconv.separable_conv2d, (z(1, 3, 5, 5), z(3, 1, 9, 9), z(4, 3, 1, 1)), {}),
    (npconv.separable_conv2d, (z(1, 3, 500, 500), z(3, 1, 200, 200), z(4, 3, 1, 1)), {}),
    (npconv.plan_conv_input_grad, ((1, 2, 5, 5), z(4, 3, 3, 3)), {}),
    (npconv.plan_conv_input_grad, ((1, 3, BIG, BIG), z(4, 3, 3, 3)), {}),
    (npconv.plan_conv_weight_grad, ((1, 2, 5, 5), (4, 3, 3, 3)), {}),
    (npconv.plan_conv_weight_grad, ((1, 2, 5, 5), (4, BIG, 3, BIG)), {"groups": BIG}),
    (grad.conv2d_input, ((1, 2, 5, 5), z(4, 3, 3, 3), z(1, 4, 3, 3)), {}),
    (grad.conv2d_input, ((2, 5), z(4, 3, 3, 3), z(1, 4, 3, 3)), {}),
    (grad.conv2d_input, ((1, 3, BIG, BIG), z(4, 3, 3, 3), z(1, 4, 3, 3)), {}),
    (grad.conv2d_input, ((1, 3, 5, 0), z(4, 3, 3, 3), z(1, 4, 3, 3)), REFLECT),
    (grad.conv2d_weight, (z(1, 2, 5, 5), (4, 3, 3, 3), z(1, 4, 3, 3)), {}),
    (grad.conv2d_weight, (z(1, 2, 5, 5), (4, 3), z(1, 4, 3, 3)), {}),
    (grad.conv2d_weight, (z(1, 2, 5, 5), (4, 2, 3, 0), z(1, 4, 3, 3)), {}),
    (grad.conv2d_weight, (z(1, 2, 5, 5), (2**62, 2, 3, 3), z(1, 4, 3, 3)), {}),
    (grad.conv2d_weight, (z(1, 4, 5, 5), (3, 2, 3, 3), z(1, 4, 3, 3)), {"groups": 2}),
    (grad.conv_transpose2d_input, ((1, 2, 5, 5), z(4, 3, 3, 3), z(1, 3, 7, 7)), {}),
    (grad.conv_transpose2d_input, ((1, 2), z(4, 3, 3, 3), z(1, 3, 7, 7)), {}),
    (grad.conv_transpose2d_input, ((BIG, 4, BIG, 5), z(4, 3, 3, 3), z(1, 3, 7, 7)), {}),
    (grad.conv_transpose2d_weight, (z(1, 2, 5, 5), (4, 3, 3, 3), z(1, 3, 7, 7)), {}),
    (grad.conv_transpose2d_weight, (z(1, 2, 5, 5), (4, 3), z(1, 3, 7, 7)), {}),
    (grad.conv_transpose2d_weight, (z(1, 3, 5, 5), (3, 3, 3, 3), z(1, 3, 7, 7)), {"groups": 2}),
    (grad.avg_pool2d, (z(1, 3, 2, 2), (1, 3, 0, 4), 2), {}),
    (grad.avg_pool2d, (z(1, 3, 2, 2), (1, 3, BIG, BIG), 2), {}),
    (grad.max_unpool2d, (z(1, 3, 2, 2), z(1, 3, 2)), {}),
    (grad.adaptive_avg_pool2d, (z(1, 3, 2, 2), (1, 3, BIG, BIG)), {}),
    (npconv.fold2d, (z(1, 12, 4), (BIG, BIG), 2), {}),
    (npconv.plan_max_pool, ((1, 3, 0, 5), 2), {}),
    (npconv.plan_max_pool, ((1, 3, 2**25, 2**26), 2), {}),
    (npconv.plan_avg_pool, ((1, 3, BIG, BIG), 2), {}),
    (npconv.plan_lp_pool, ((3, 5), 2, 2), {}),
    (npconv.plan_lp_pool, ((1, 3, 2, 2), 2, 3), {}),
]  # fmt: skip


def named(call: Callable[[], Any]) -> tuple[set[str], str]:
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    return set(re.findall(r"(?<![\w'\"*.])[a-z_]+(?!\w)", str(caught.value))) & OPERANDS, str(caught.value)


@pytest.mark.parametrize("i", range(len(WRONG)))
def test_operands_in_a_message_are_arguments_of_the_function(i: int) -> None:
    function, arguments, keywords = WRONG[i]
    names, message = named(lambda: function(*arguments, **keywords))
    assert names <= set(inspect.signature(function).parameters), message
    assert names or re.search("kernel|stride|padding|groups", message), message


def test_the_argument_at_fault_is_named() -> None:
    x, depthwise = z(1, 3, 5, 5), z(3, 1, 3, 3)
    most = 3 * 2**19 // 4
    for make in (
        lambda w: npconv.separable_conv2d(x, depthwise, w),
        lambda w: npconv.plan_separable_conv2d(x.shape, depthwise, w),
    ):
        with pytest.raises(
            ValueError, match=rf"pointwise_w must have at most {most} output channels .*got 1048576"
        ):
            make(z(2**20, 3, 1, 1))
    many = 3 * 2**18
    with pytest.raises(
        ValueError, match=rf"depthwise_w must have at most {most} output channels .*got {many}"
    ):
        npconv.separable_conv2d(x, z(many, 1, 3, 3), z(4, many, 1, 1))
    plan = npconv.plan_conv_input_grad((None, 3, 5, 5), np.ones((4, 3, 3, 3), F))
    with pytest.raises(ValueError, match=r"grad_out and w: the number of operations does not fit"):
        plan(z(2**54, 4, 3, 3))
