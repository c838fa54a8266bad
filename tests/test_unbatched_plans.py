# SPDX-License-Identifier: BSD-3-Clause
"""A plan for any batch takes one image without the batch, and returns a result without it."""

from __future__ import annotations

from typing import Any

import npconv
import numpy as np
import pytest
from rules import KERNEL, RANKS, SPATIAL, canary, ints, same, to_last

every_rank = pytest.mark.parametrize("rank", RANKS)
LAYOUTS = pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
KINDS = ("conv", "merged", "transposed", "separable", "input gradient", "weight gradient")


def made(kind: str, rank: int, layout: str) -> tuple[Any, tuple[Any, ...]]:
    """A plan for any batch, and inputs of a batch of 3."""

    def turned(a: Any) -> Any:
        return to_last(a, rank) if layout == "channels_last" else a

    x, how = turned(ints((3, 4, *SPATIAL[rank]))), {"layout": layout}
    shape, w = (None, *x.shape[1:]), ints((6, 4, *KERNEL[rank]), seed=1)
    if kind == "conv":
        return npconv.plan_conv(shape, w, ints((6,), seed=2), padding=1, **how), (x,)
    if kind == "merged":
        one_tap = ints((6, 4, 2, *[1] * (rank - 1)), seed=1)
        return npconv.plan_conv(shape, one_tap, **how), (x,)
    if kind == "transposed":
        return npconv.plan_conv_transpose(shape, np.swapaxes(w, 0, 1), stride=2, **how), (x,)
    if kind == "separable":
        depthwise, pointwise = ints((8, 1, 3, 3), seed=1), ints((5, 8, 1, 1), seed=2)
        return npconv.plan_separable_conv2d(shape, depthwise, pointwise, padding=1, **how), (x,)
    if kind == "input gradient":
        plan: Any = npconv.plan_conv_input_grad(shape, w, padding=1, padding_mode="reflect", **how)
        return plan, (ints((3, *plan.grad_shape[1:]), seed=3),)
    plan = npconv.plan_conv_weight_grad(shape, w, padding=1, **how)
    return plan, (x, ints((3, *plan.grad_shape[1:]), seed=3))


@LAYOUTS
@every_rank
@pytest.mark.parametrize("kind", KINDS)
def test_one_image_without_the_batch(kind: str, rank: int, layout: str) -> None:
    if kind == "separable" and rank != 2:
        return
    plan, inputs = made(kind, rank, layout)
    weights = kind == "weight gradient"
    for i in (0, 2):
        batched = plan(*(a[i : i + 1] for a in inputs))
        want = batched if weights else batched[0]
        images = [a[i] for a in inputs]
        same(plan(*images), want)
        out = canary(want.shape)
        assert plan(*images, out=out) is out
        same(out, want)
    if kind in ("conv", "separable"):
        residual = ints(want.shape, seed=7)
        same(plan(*images, residual=residual), want + residual)
        same(
            plan(*(a.astype(">f4") for a in images), residual=residual[..., ::-1][..., ::-1]), want + residual
        )
    assert plan.x_shape[0] is None  # the plan is as before
    same(plan(*inputs)[:1], plan(*(a[:1] for a in inputs)) if not weights else plan(*inputs)[:1])


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_forms_are_refused(kind: str) -> None:
    plan, inputs = made(kind, 2, "channels_first")
    image = [a[0] for a in inputs]
    weights = kind == "weight gradient"
    shape = plan.output_shape if weights else (3, *plan.output_shape[1:])
    if not weights:  # `out` and residual are as the input
        out = canary(shape)
        before = out.tobytes()
        with pytest.raises(ValueError, match="out must have the shape of the result"):
            plan(*image, out=out)
        with pytest.raises(ValueError, match="out must have the shape of the result"):
            plan(*inputs, out=out[0])
        assert out.tobytes() == before
    if kind in ("conv", "separable"):
        with pytest.raises(ValueError, match="residual must have the shape of the result"):
            plan(*image, residual=ints(shape))
    if weights:
        for pair in ((inputs[0], image[1]), (image[0], inputs[1]), (inputs[0][:1], image[1])):
            with pytest.raises(ValueError, match="grad_out must have the batch of x"):
                plan(*pair)
    for wrong in ([a[0] for a in image], [a[None] for a in inputs], [a[:, :1] for a in image]):
        with pytest.raises(ValueError, match=r"must have the shape .*with or without the batch, \(None, "):
            plan(*wrong)


def test_a_plan_of_a_fixed_batch_takes_no_other_form() -> None:
    x, w = ints((1, 4, 7, 8)), ints((6, 4, 3, 3), seed=1)
    for plan, wrong in (
        (npconv.plan_conv(x.shape, w), x[0]),
        (npconv.plan_conv(x.shape[1:], w), x),
        (npconv.plan_conv_transpose(x.shape, np.swapaxes(w, 0, 1)), x[0]),
        (npconv.plan_conv_input_grad(x.shape, w), ints((6, 5, 6))),
    ):
        with pytest.raises(ValueError, match="must have the shape that the plan was made for, "):
            plan(wrong)


def test_a_batch_of_none_is_no_image_without_the_batch() -> None:
    """Three axes of a 1-D plan are its batch, whatever their sizes."""
    plan = npconv.plan_conv((None, 3, 9), ints((4, 3, 3)))
    assert plan(ints((0, 3, 9))).shape == (0, 4, 7)
    assert plan(ints((3, 9))).shape == (4, 7)
    with pytest.raises(ValueError, match="x must have the shape"):
        plan(ints((9,)))
