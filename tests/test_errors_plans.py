# SPDX-License-Identifier: BSD-3-Clause
"""Wrong calls of plan_conv and plans: x_shape, ranks, other inputs than planned, wrong weights.

The arguments that plan_conv shares with conv{N}d are in test_errors.py, arrays in test_errors_arrays.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import npconv
import numpy as np
import pytest
from rules import RANKS, canary, oracle, problem, same

pytestmark = pytest.mark.machine

every_rank = pytest.mark.parametrize("rank", RANKS)


X_SHAPES = [
    *[
        (v, TypeError, "x_shape must be a tuple of ints")
        for v in (None, 8, "2378", {2, 3}, np.array([2.0, 3, 7, 8]), np.ones(4, bool), np.array(4))
    ],
    *[
        (v, TypeError, "x_shape must be a tuple of ints")
        for v in (range(4), (i for i in (2, 3, 7, 8)), b"1234")
    ],
    *[((2, 3, v, 8), TypeError, "x_shape") for v in (7.0, "7", True, np.array(7), (7,))],
    *[((2, 3, 7, v), ValueError, "x_shape") for v in (-1, -(2**63), 2**63, 2**64)],
    ((-1, 3, 7, 8), ValueError, "x_shape must not have negative entries, got .-1, 3"),
    *[
        (v, ValueError, "x_shape may have None for the batch only")
        for v in ((2, None, 7, 8), (2, 3, 7, None))
    ],
    *[(v, ValueError, "x_shape may have None for the batch only") for v in ((None, 7, 8), (None,) * 4)],
    *[((2, 3, *v), ValueError, "64 bits") for v in ((2**62, 8), (2**31, 2**31), (2**63 - 1, 8))],
    ((2**62, 3, 7, 8), ValueError, "64 bits"),
    ((2, 2, 7, 8), ValueError, "x_shape has 2 channels with layout=.*, but w takes 3"),
    ((2, 3, 2, 8), ValueError, "kernel must not be larger"),
]


@pytest.mark.parametrize(("x_shape", "error", "message"), X_SHAPES, ids=lambda v: str(v)[:30])
def test_wrong_x_shape(x_shape: Any, error: type[Exception], message: str) -> None:
    x, w, _ = problem(2)
    plan = npconv.plan_conv(x.shape, w)
    makers: list[Callable[[Any], Any]] = [lambda shape: npconv.plan_conv(shape, w)]
    if not (isinstance(x_shape, tuple) and len(x_shape) != 4):  # for_shape: told as a wrong number of axes
        makers.append(plan.for_shape)
    for make in makers:
        with pytest.raises((TypeError, ValueError)) as caught:
            make(x_shape)
        assert caught.type is error, caught.value
        assert re.search(message, str(caught.value)), caught.value


def test_for_shape_takes_as_many_axes_as_the_plan() -> None:
    x, w, _ = problem(2)
    for shape in ((), (3, 7, 8), (None, 7, 8), (7, 8), (1, 2, 3, 7, 8)):
        message = (
            rf"x_shape must have as many axes as the plan's, \(2, 3, 7, 8\); got {re.escape(str(shape))}"
        )
        with pytest.raises(ValueError, match=message):
            npconv.plan_conv(x.shape, w).for_shape(shape)


def test_a_plan_is_as_before_after_wrong_weights() -> None:
    x, w, bias = problem(2)
    plan = npconv.plan_conv(x.shape, w, bias)
    wrong: list[Any] = [
        None,
        w[:2],
        w[..., :1],
        w[0],
        w[None],
        w.swapaxes(2, 3),
        np.float32(0),
        w.astype("f8"),
    ]
    for weights in wrong:
        with pytest.raises((TypeError, ValueError), match=r"w must have the (shape|dtype)"):
            plan.update_weights(weights, bias)
    for b in (bias[:3], bias[None], bias.astype("f8"), 1.0, "bias"):
        with pytest.raises((TypeError, ValueError), match=r"bias must have (the dtype|shape)"):
            plan.update_weights(w + 1, b)
    same(plan(x), oracle(2, x, w, bias))


def test_a_batch_whose_sizes_overflow_is_refused_by_a_plan_for_any_batch() -> None:
    plan = npconv.plan_conv((None, 1, 4), np.ones((4, 1, 2), np.float32))
    x = np.broadcast_to(np.ones((1, 1, 4), np.float32), (2**58, 1, 4))
    with pytest.raises(ValueError, match="64 bits"):
        plan(x)


def test_plans_are_made_by_plan_conv_only() -> None:
    with pytest.raises(TypeError, match=r"npconv\.plan_conv"):
        npconv.ConvPlan()


def test_wrong_ranks_of_a_plan() -> None:
    fit = {(n + 2, n + k) for n in (1, 2, 3) for k in (1, 2)} | {(1, 1), (2, 2), (3, 3)}
    for x_axes in range(7):
        for w_axes in range(7):
            if (w_axes, x_axes) not in fit:
                x_shape, w = (1,) * x_axes, np.ones((1,) * w_axes, np.float32)
                shapes = re.escape(f"x_shape {x_shape} and w of shape {w.shape}")
                with pytest.raises(ValueError, match=f"x_shape and w must have .*{shapes}"):
                    npconv.plan_conv(x_shape, w)


@every_rank
def test_a_plan_takes_only_the_shape_that_it_was_made_for(rank: int) -> None:
    x, w, _ = problem(rank)
    fixed, free = (npconv.plan_conv((n, *x.shape[1:]), w) for n in (2, None))
    other_size = np.repeat(x, 2, -1)
    for wrong in (x[:1], x[0], x[None], x[:, :2], other_size, x[:0], np.float32(1), x.ravel()):
        for plan in (fixed, free):
            if plan is free and x.shape[1:] in (wrong.shape, wrong.shape[1:]):
                continue
            message = (
                rf"x must have the shape .*{re.escape(str(plan.x_shape))}; got {re.escape(str(wrong.shape))}"
            )
            out = canary((2, *plan.output_shape[1:]))
            before = out.tobytes()
            with pytest.raises(ValueError, match=message):
                plan(wrong, out=out)
            assert out.tobytes() == before
