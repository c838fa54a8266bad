# SPDX-License-Identifier: BSD-3-Clause
"""TypeErrors on dtypes name the argument and say what to do; who follows the advice gets a result.

The calls are those of every function and plan that takes arrays, with an argument of each dtype in turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import npconv
import numpy as np
import pytest
from npconv import grad
from rules import ints
from test_errors_arrays import OTHER_DTYPES
from test_pool_errors import FUNCTIONS, right_call
from test_pool_errors_arrays import ANY_DTYPE

Arguments = dict[str, Any]
Case = tuple[Callable[..., Any], Arguments]


def conv_cases(dtype: str = "float32") -> dict[str, Case]:
    """Right calls of the convolutions, their gradients and their plans: their arrays by name."""
    x, w, wt = (ints(shape, dtype, i) for i, shape in enumerate(((2, 3, 6, 7), (4, 3, 2, 2), (3, 4, 2, 2))))
    y, yt, bias = ints((2, 4, 5, 6), dtype, 4), ints((2, 4, 7, 8), dtype, 5), ints((4,), dtype, 6)
    dw, pw, db = ints((3, 1, 2, 2), dtype, 7), ints((4, 3, 1, 1), dtype, 8), ints((3,), dtype, 9)

    def out(a: Any) -> Arguments:
        return {"out": np.empty_like(a)}

    pair = {"depthwise_w": dw, "pointwise_w": pw}
    plan, transposed = npconv.plan_conv(x.shape, w, bias), npconv.plan_conv_transpose(x.shape, wt, bias)
    separable = npconv.plan_separable_conv2d(x.shape, dw, pw, bias, depthwise_bias=db)
    to_input = npconv.plan_conv_input_grad(x.shape, w)
    to_weight = npconv.plan_conv_weight_grad(x.shape, w)

    def shaped(function: Any, **shapes: Any) -> Callable[..., Any]:
        return lambda **arrays: function(**shapes, **arrays)

    return {
        "conv2d": (npconv.conv2d, {"x": x, "w": w, "bias": bias, "residual": y, **out(y)}),
        "conv_transpose2d": (npconv.conv_transpose2d, {"x": x, "w": wt, "bias": bias, **out(yt)}),
        "separable_conv2d": (
            npconv.separable_conv2d,
            {"x": x, **pair, "bias": bias, "depthwise_bias": db, "residual": y, **out(y)},
        ),
        "grad.conv2d_input": (
            shaped(grad.conv2d_input, input_shape=x.shape),
            {"w": w, "grad_out": y, **out(x)},
        ),
        "grad.conv2d_weight": (
            shaped(grad.conv2d_weight, weight_shape=w.shape),
            {"x": x, "grad_out": y, **out(w)},
        ),
        "grad.conv2d_bias": (grad.conv2d_bias, {"grad_out": y}),
        "grad.conv_transpose2d_input": (
            shaped(grad.conv_transpose2d_input, input_shape=x.shape),
            {"w": wt, "grad_out": yt, **out(x)},
        ),
        "grad.conv_transpose2d_weight": (
            shaped(grad.conv_transpose2d_weight, weight_shape=wt.shape),
            {"x": x, "grad_out": yt, **out(wt)},
        ),
        "plan_conv": (shaped(npconv.plan_conv, x_shape=x.shape), {"w": w, "bias": bias}),
        "ConvPlan": (plan, {"x": x, "residual": y, **out(y)}),
        "ConvPlan.update_weights": (plan.update_weights, {"w": w, "bias": bias}),
        "plan_conv_transpose": (shaped(npconv.plan_conv_transpose, x_shape=x.shape), {"w": wt, "bias": bias}),
        "transposed ConvPlan": (transposed, {"x": x, **out(yt)}),
        "transposed ConvPlan.update_weights": (transposed.update_weights, {"w": wt, "bias": bias}),
        "plan_separable_conv2d": (
            shaped(npconv.plan_separable_conv2d, x_shape=x.shape),
            {**pair, "bias": bias, "depthwise_bias": db},
        ),
        "SeparableConvPlan": (separable, {"x": x, "residual": y, **out(y)}),
        "SeparableConvPlan.update_weights": (
            separable.update_weights,
            {**pair, "bias": bias, "depthwise_bias": db},
        ),
        "plan_conv_input_grad": (shaped(npconv.plan_conv_input_grad, x_shape=x.shape), {"w": w}),
        "InputGradientPlan": (to_input, {"grad_out": y, **out(x)}),
        "InputGradientPlan.update_weights": (to_input.update_weights, {"w": w}),
        "plan_conv_weight_grad": (shaped(npconv.plan_conv_weight_grad, x_shape=x.shape), {"w": w}),
        "WeightGradientPlan": (to_weight, {"x": x, "grad_out": y, **out(w)}),
    }


def case_of(name: str, dtype: str = "float32") -> Case:
    if name in FUNCTIONS:
        return right_call(name, 2, dtype)
    return conv_cases(dtype)[name]


NAMES = [*conv_cases(), *FUNCTIONS]
EXPRESSION = re.compile(
    r"^(\w+) must have .* got .*[;:] .*such as (.+?)(?: or (np\.asarray\(.+\))|, or leave it out)?$"
)


def advised(message: str, given: Arguments) -> list[tuple[str, Any]]:
    """The argument that a message names, and what its expressions make of it."""
    found = EXPRESSION.match(message)
    assert found, message
    name = found[1]
    return [(name, eval(text, {"np": np, name: given[name]})) for text in found.groups()[1:] if text]


def mended(function: Callable[..., Any], given: Arguments) -> list[str]:
    """Call, and follow the messages until there is none. Returns them."""
    messages: list[str] = []
    for _ in range(9):
        try:
            function(**given)
            return messages
        except TypeError as error:
            messages.append(str(error))
            for name, value in advised(messages[-1], given):
                given = given | {name: value}
    raise AssertionError(messages)


def legal(name: str, argument: str) -> tuple[str, ...]:
    """What of the dtypes below an argument may have by itself."""
    if argument == "indices":
        return ("int64",)
    integers = ("int8", "uint8", "int16", "int32", "int64", ">i4")
    return ("float64", ">f8", *(integers if name in ANY_DTYPE else ()))


@pytest.mark.parametrize("name", NAMES)
def test_who_follows_the_advice_gets_a_result(name: str) -> None:
    function, right = case_of(name)
    function(**right)
    for argument, value in right.items():
        if not isinstance(value, np.ndarray):
            continue
        for dtype in (*OTHER_DTYPES, "float64", ">f8", "int64", "int32"):
            if dtype == "V4" and argument == "indices":
                continue  # bytes that are no int64
            wrong = np.zeros(value.shape, dtype)
            if wrong.dtype.kind in "SU":
                wrong[...] = "0"  # a number as text
            messages = mended(function, right | {argument: wrong})
            assert all(re.match(r"\w+ must have (dtype|the dtype of) ", message) for message in messages)
            # What may be of that dtype is not refused; then the others are not of its dtype.
            assert dtype in legal(name, argument) or messages[0].startswith(f"{argument} must have ")
            assert len(set(messages)) == len(messages)


X = np.ones((5, 6), np.float32)
W = np.ones((2, 2), np.float32)
PLAN = npconv.plan_conv(X.shape, W)
REALS = "must have dtype float32 or float64, got"
OF_X = "w must have the dtype of x,"
NUMBERS = "must have dtype float32, float64, int8, uint8, int16, int32 or int64, got"


def either(name: str, dtype: str) -> str:
    return f"{name}.astype(np.{dtype}) or np.asarray({name}, np.{dtype})"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: npconv.conv2d(X.astype(int), W),
            f"x {REALS} int64; convert it, such as {either('x', 'float32')}",
        ),
        (
            lambda: npconv.conv2d([[1, 2], [3, 4]], W),
            f"x {REALS} int64; convert it, such as {either('x', 'float32')}",
        ),
        (
            lambda: npconv.conv2d(X, W.astype(float)),
            f"{OF_X} float32; got float64: convert one, such as {either('w', 'float32')}",
        ),
        (
            lambda: npconv.conv2d(X.astype(float), W),
            f"{OF_X} float64; got float32: convert one, such as {either('w', 'float64')}",
        ),
        (
            lambda: npconv.conv2d(X, W.astype(int)),
            f"{OF_X} float32; got int64: convert it, such as {either('w', 'float32')}",
        ),
        (
            lambda: PLAN(X.astype(float)),
            "x must have the dtype of the plan, float32; got float64: convert it, such as "
            + either("x", "float32"),
        ),
        (
            lambda: npconv.conv2d(X, W, out=np.empty((4, 5))),
            "out must have the dtype of x, float32; got float64: allocate it with that dtype, such as "
            "np.empty(out.shape, np.float32), or leave it out",
        ),
        (
            lambda: npconv.conv2d(X.astype(np.longdouble), W),
            f"x {REALS} {np.dtype(np.longdouble)}; convert it, such as {either('x', 'float64')}",
        ),
        (
            lambda: npconv.conv2d(X * 1j, W),
            f"x {REALS} complex64; pass its real and imaginary parts one by one, such as "
            "np.real(x).astype(np.float32)",
        ),
        (
            lambda: npconv.conv2d(np.zeros((5, 6), [("red", "f4"), ("blue", "f4")]), W),
            f"x {REALS} [('red', '<f4'), ('blue', '<f4')]; pass one of its fields, such as "
            "x['red'].astype(np.float32)",
        ),
        (
            lambda: npconv.max_pool2d(X.astype(np.uint16), 2),
            f"x {NUMBERS} uint16; convert it, such as {either('x', 'int32')}",
        ),
        (
            lambda: npconv.max_pool2d(X > 0, 2),
            f"x {NUMBERS} bool; convert it, such as {either('x', 'uint8')}",
        ),
        (
            lambda: npconv.max_pool2d(X.astype(np.float16), 2),
            f"x {NUMBERS} float16; convert it, such as {either('x', 'float32')}",
        ),
        (
            lambda: grad.max_pool2d(X, np.zeros((5, 6), np.int32), (9, 9)),
            f"indices must have dtype int64, got int32; convert it, such as {either('indices', 'int64')}",
        ),
        (
            lambda: grad.unfold1d(np.ones((2, 3), int), (4,), 2),
            f"grad_out {REALS} int64; convert it, such as {either('grad_out', 'float32')}",
        ),
        (
            lambda: grad.fold1d(np.ones(4, int), 2),
            f"grad_out {REALS} int64; convert it, such as {either('grad_out', 'float32')}",
        ),
        (
            lambda: npconv.plan_conv_weight_grad(X.shape, W.astype(int)),
            f"w {REALS} int64; convert it, such as {either('w', 'float32')}",
        ),
    ],
)
def test_the_words(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message


def test_a_dtype_of_many_fields_or_strange_names_is_cut() -> None:
    many = np.zeros((5, 6), [(f"field {i}", "f4") for i in range(99)])
    strange = np.zeros((5, 6), [("\ud800\n'", "f4")])
    for x in (many, strange, np.zeros((5, 6), []), np.zeros((5, 6), "V3")):
        with pytest.raises(TypeError, match=rf"^x {REALS} [ -~\n]{{2,95}}; ") as caught:
            npconv.conv2d(x, W)
        assert len(str(caught.value)) < 250


def test_lists_are_mended_by_the_second_expression() -> None:
    given: Arguments = {"x": [[1, 2, 3], [4, 5, 6]], "w": np.ones((1, 2), np.float32)}
    with pytest.raises(TypeError) as caught:
        npconv.conv2d(**given)
    found = EXPRESSION.match(str(caught.value))
    assert found
    given["x"] = eval(found[3], {"np": np, **given})
    assert npconv.conv2d(**given).tolist() == [[3, 5], [9, 11]]


def test_weights_of_foreign_byte_order_plan_their_gradient() -> None:
    """The dtype of the plan is that of w, in native byte order."""
    w = np.arange(4.0).reshape(1, 1, 2, 2)
    plan = npconv.plan_conv_weight_grad((1, 1, 3, 3), w.astype(">f8"))
    x, g = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2))
    assert plan(x, g).tolist() == grad.conv2d_weight(x, w.shape, g).tolist()
    with pytest.raises(TypeError, match="dtype must be float32 or float64, got 'int32'"):
        npconv.plan_conv_weight_grad((1, 1, 3, 3), w, dtype="int32")
