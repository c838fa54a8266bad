# SPDX-License-Identifier: BSD-3-Clause
"""Arguments whose own code runs during a call: it cannot change what was judged, and its exceptions pass."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import npconv
import numpy as np
import pytest
from npconv import grad
from reference import Array
from rules import ints

# ---- an `out` whose class gives the other arrays other shapes ----------------------------------------------

X, W = ints((2, 3, 9, 8)), ints((4, 3, 3, 2), seed=1)
BIAS, GRAD = ints((4,), seed=2), ints((2, 4, 7, 7), seed=3)
DEEP, POINT = ints((6, 1, 3, 2), seed=4), ints((5, 6, 1, 1), seed=5)
INDICES = np.tile(np.arange(4, dtype=np.int64), (2, 4, 3, 1))[..., :3]

Call = Callable[..., Any]
CALLS: dict[str, tuple[Call, tuple[Array, ...]]] = {
    "conv2d": (lambda x, w, b, out: npconv.conv2d(x, w, b, out=out), (X, W, BIAS)),
    "conv_transpose2d": (
        lambda x, w, b, out: npconv.conv_transpose2d(x, w, b, out=out),
        (X, ints((3, 4, 3, 2)), BIAS),
    ),
    "separable_conv2d": (
        lambda x, d, p, b, c, out: npconv.separable_conv2d(x, d, p, b, depthwise_bias=c, out=out),
        (X, DEEP, POINT, ints((5,)), ints((6,))),
    ),
    "plan_conv": (lambda x, out: npconv.plan_conv(X.shape, W, BIAS)(x, out=out), (X,)),
    "residual": (
        lambda x, r, out: npconv.plan_conv(X.shape, W, BIAS)(x, residual=r, out=out),
        (X, ints((2, 4, 7, 7))),
    ),
    "conv2d_input": (lambda w, g, out: grad.conv2d_input(X.shape, w, g, out=out), (W, GRAD)),
    "conv2d_weight": (lambda x, g, out: grad.conv2d_weight(x, W.shape, g, out=out), (X, GRAD)),
    "max_pool2d": (lambda x, out: npconv.max_pool2d(x, 3, out=out), (X,)),
    "avg_pool2d": (lambda x, out: npconv.avg_pool2d(x, 2, out=out), (X,)),
    "grad.avg_pool2d": (
        lambda g, out: grad.avg_pool2d(g, (2, 4, 14, 14), 2, out=out),
        (GRAD,),
    ),
    "grad.lp_pool2d": (lambda g, x, out: grad.lp_pool2d(g, x, 2, (3, 2), stride=1, out=out),
                       (ints((2, 3, 7, 7)), X)),
    "grad.max_pool2d": (lambda g, i, out: grad.max_pool2d(g, i, (2, 4, 9, 9), out=out),
                        (ints((2, 4, 3, 3)), INDICES)),
    "max_unpool2d": (lambda x, i, out: npconv.max_unpool2d(x, i, 3, output_size=(9, 9), out=out),
                     (ints((2, 4, 3, 3)), INDICES)),
}  # fmt: skip


def shapes_of(a: Array) -> list[tuple[int, ...]]:
    """Other shapes of the same memory, which `a.shape = ...` can set."""
    n = a.size
    return [(1, n), (n, 1, 1, 1), (1, 1, 1, n), (1, 2, n // 2) if n % 2 == 0 else (n,), a.shape[::-1]]


def reshaping_out(like: Array, victim: Array, shape: tuple[int, ...]) -> tuple[Array, list[bool]]:
    """An `out` like that array, whose class gives `victim` the shape when asked; and who asked."""
    ran: list[bool] = []

    class Out(np.ndarray):  # type: ignore[type-arg]
        @property
        def __class__(self) -> Any:
            ran.append(True)
            victim.shape = shape
            return Out

    return np.zeros(like.shape, like.dtype).view(Out), ran


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of setting a shape
@pytest.mark.parametrize("name", CALLS)
def test_the_code_of_the_class_of_out_cannot_change_what_is_read(name: str) -> None:
    call, arguments = CALLS[name]
    expected = call(*arguments, out=None)
    for victim in range(len(arguments)):
        for shape in shapes_of(arguments[victim]):
            given = [a.copy() for a in arguments]
            out, ran = reshaping_out(expected, given[victim], shape)
            call(*given, out=out)
            assert ran, "the class of out was never asked: the test tests nothing"
            assert np.array_equal(np.asarray(out), expected), f"argument {victim} reshaped to {shape}"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_converting_a_bias_cannot_change_new_weights_of_a_plan() -> None:
    class Bias:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
            w.shape = (1, 1, 1, w.size)
            return BIAS

    for make, shape in ((npconv.plan_conv, W.shape), (npconv.plan_conv_transpose, (3, 4, 3, 2))):
        w = ints(shape, seed=7)
        expected = make(X.shape, w, BIAS)(X)
        plan = make(X.shape, 2 * w, BIAS)
        plan.update_weights(w, Bias())
        assert np.array_equal(plan(X), expected)
        w = ints(shape, seed=7)
        assert np.array_equal(make(X.shape, w, Bias())(X), expected)


# ---- exceptions of the caller's code -----------------------------------------------------------------------


class Contrary:
    """Says that it is a numpy.bool_, and cannot say whether it is true."""

    @property
    def __class__(self) -> Any:
        return np.bool_

    def __bool__(self) -> bool:
        raise ZeroDivisionError("neither true nor false")


BOOLEANS: dict[str, Callable[[Any], Any]] = {
    "flip": lambda b: npconv.conv2d(X, W, flip=b),
    "flip of a plan": lambda b: npconv.plan_conv(X.shape, W, flip=b),
    "flip of a gradient": lambda b: grad.conv2d_weight(X, W.shape, GRAD, flip=b),
    "ceil_mode": lambda b: npconv.avg_pool2d(X, 2, ceil_mode=b),
    "count_include_pad": lambda b: npconv.avg_pool2d(X, 2, count_include_pad=b),
    "return_indices": lambda b: npconv.max_pool2d(X, 2, return_indices=b),
    "keepdims": lambda b: npconv.global_max_pool2d(X, keepdims=b),
}


@pytest.mark.parametrize("name", BOOLEANS)
def test_what_a_bool_raises_is_passed_on(name: str) -> None:
    with warnings.catch_warnings(), pytest.raises(ZeroDivisionError, match="neither true nor false"):
        BOOLEANS[name](Contrary())
