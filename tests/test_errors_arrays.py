# SPDX-License-Identifier: BSD-3-Clause
"""Wrong arrays in calls of conv{N}d, plan_conv and plans: dtypes, shapes, masks, and every rule of `out`.

After each failing call `out` is bitwise as it was. The other arguments are in test_errors.py, what only plans
have in test_errors_plans.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import npconv
import numpy as np
import pytest
from rules import CONV, KERNEL, RANKS, SPATIAL, canary, ints, misaligned, problem

every_rank = pytest.mark.parametrize("rank", RANKS)
Arguments = dict[str, Any]

# Every dtype that is neither float32 nor float64.
OTHER_DTYPES = [
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "longdouble", "complex64", "complex128", "clongdouble"),
    *("S3", "U3", "V4", "O", "M8[s]", "m8[s]", ">f2", ">i4", "f4,f4"),
]


def arguments(rank: int, dtype: Any = np.float32) -> Arguments:
    """x, w, bias, residual and out of one right call; out full of a canary."""
    x, w, bias = problem(rank, dtype)
    shape = (2, 4, *[n - k + 1 for n, k in zip(SPATIAL[rank], KERNEL[rank], strict=True)])
    return {"x": x, "w": w, "bias": bias, "residual": ints(shape, dtype, 5), "out": canary(shape, dtype)}


def memory_of(out: Any) -> bytes:
    return np.ndarray.tobytes(out) if isinstance(out, np.ndarray) and out.dtype != object else b""


def ways(rank: int, right: Arguments, changed: str) -> list[Callable[[Arguments], Any]]:
    """The calls that get the argument `changed`: the function, and a plan or its call."""

    def by_function(a: Arguments) -> Any:
        return CONV[rank](**a)

    def by_plan_conv(a: Arguments) -> Any:
        return npconv.plan_conv(right["x"].shape, a["w"], a["bias"])

    plan = npconv.plan_conv(right["x"].shape, right["w"], right["bias"])

    def by_plan(a: Arguments) -> Any:
        return plan(a["x"], residual=a["residual"], out=a["out"])

    def by_update(a: Arguments) -> Any:
        return plan.update_weights(a["w"], a["bias"])

    return [by_function, *([by_plan_conv, by_update] if changed in ("w", "bias") else [by_plan])]


def refused(
    rank: int, right: Arguments, changed: str, value: Any, error: type[Exception], message: str
) -> None:
    """Fail unless every way to call with the changed argument raises, and leaves `out` alone."""
    given = right | {changed: value}
    before = memory_of(given["out"])
    for call in ways(rank, right, changed):
        with pytest.raises((TypeError, ValueError)) as caught:
            call(given)
        assert caught.type is error, f"{caught.type.__name__}: {caught.value}"
        assert re.search(message, str(caught.value)), f"{call.__name__}: {caught.value}"
        assert memory_of(given["out"]) == before


# ---- dtypes and types --------------------------------------------------------------------------------------


@every_rank
@pytest.mark.parametrize("dtype", OTHER_DTYPES)
@pytest.mark.parametrize("changed", ["x", "w", "bias", "residual", "out"])
def test_any_other_dtype_is_a_type_error_that_names_both(rank: int, dtype: str, changed: str) -> None:
    right = arguments(rank)
    wrong = np.zeros(right[changed].shape, dtype)
    name = re.escape(str(wrong.dtype))
    if changed == "x" and dtype in ("float64", ">f8"):
        # x gives the dtype of a plain call, and it is w that does not agree.
        with pytest.raises(TypeError, match="w must have the dtype of x, float64; got float32"):
            CONV[rank](**right | {"x": wrong})
        return
    both = (
        rf"{changed} must have (dtype float32 or float64, |the dtype of \S+( \S+)?, float32; ){{}}got {name}"
    )
    refused(rank, right, changed, wrong, TypeError, both.replace("{}", ""))


@pytest.mark.parametrize(
    ("dtype", "other"), [("float32", "float64"), ("float64", "float32"), ("float32", ">f8")]
)
def test_float32_and_float64_do_not_mix(dtype: str, other: str) -> None:
    """x tells the dtype of a plain call, w that of a plan."""
    right = arguments(2, dtype)
    for changed in ("bias", "residual", "out"):
        wrong = np.zeros(right[changed].shape, other)
        refused(2, right, changed, wrong, TypeError, f"{changed} must have .*, {dtype}; got {other}")
    before = memory_of(right["out"])
    plan = npconv.plan_conv(right["x"].shape, right["w"])
    x, w = right["x"].astype(other), right["w"].astype(other)
    named = str(np.dtype(other).newbyteorder("="))
    for call, message in (
        (lambda: npconv.conv2d(**right | {"x": x}), f"w must have the dtype of x, {named}; got {dtype}"),
        (lambda: npconv.conv2d(**right | {"w": w}), f"w must have the dtype of x, {dtype}; got {other}"),
        (lambda: plan(x, out=right["out"]), f"x must have the dtype of the plan, {dtype}; got {other}"),
        (lambda: plan.update_weights(w), f"w must have the dtype of the plan, {dtype}; got {other}"),
        (lambda: npconv.plan_conv(x.shape, w, right["bias"]), f"bias .* dtype of w, {named}; got {dtype}"),
    ):
        with pytest.raises(TypeError, match=message):
            call()
    assert memory_of(right["out"]) == before


@every_rank
@pytest.mark.parametrize("changed", ["x", "w", "bias", "residual", "out"])
def test_masked_arrays_are_type_errors(rank: int, changed: str) -> None:
    right = arguments(rank)
    for masked in (np.ma.masked_array(right[changed]), np.ma.masked_less(right[changed], 0)):
        refused(rank, right, changed, masked, TypeError, rf"{changed} .*masked array")


@pytest.mark.parametrize("changed", ["x", "w"])
@pytest.mark.parametrize(
    "value", [None, "text", b"text", object(), {}, {1.0}, 1j, len, [None], [[1, 2], [3, 4]]]
)
def test_what_is_no_array_of_floats_is_a_type_error(changed: str, value: Any) -> None:
    refused(2, arguments(2), changed, value, TypeError, f"{changed} must have .*got ")


def test_a_ragged_list_is_a_value_error() -> None:
    for changed in ("x", "w", "bias", "residual"):
        refused(2, arguments(2), changed, [[1.0, 2.0], [1.0]], ValueError, f"{changed}.*inhomogeneous shape")


class Raises:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise KeyError("mine")


def test_an_error_of_the_callers_own_array_passes_through() -> None:
    right = arguments(2)
    for changed in ("x", "w", "bias", "residual"):
        before = memory_of(right["out"])
        for call in ways(2, right, changed):
            with pytest.raises(KeyError, match="mine"):
                call(right | {changed: Raises()})
        assert memory_of(right["out"]) == before


@pytest.mark.parametrize("value", [[0.0], 1.0, "out", (), np.float32(1), np.zeros(3).flat, memoryview(b"0")])
def test_out_must_be_an_ndarray(value: Any) -> None:
    refused(2, arguments(2), "out", value, TypeError, r"out must be a numpy\.ndarray, got ")


# ---- shapes ------------------------------------------------------------------------------------------------


@every_rank
def test_wrong_ranks(rank: int) -> None:
    right = arguments(rank)
    for x_axes in range(7):
        for w_axes in range(7):
            if (w_axes, x_axes) in ((rank, rank), (rank + 2, rank + 1), (rank + 2, rank + 2)):
                continue
            x, w = np.ones((1,) * x_axes, np.float32), np.ones((1,) * w_axes, np.float32)
            before = memory_of(right["out"])
            shapes = rf"x of shape {re.escape(str(x.shape))} and w of shape {re.escape(str(w.shape))}"
            with pytest.raises(ValueError, match=rf"must have {rank + 2} axes .*or {rank} each .*{shapes}"):
                CONV[rank](x, w, out=right["out"])
            assert memory_of(right["out"]) == before


@every_rank
def test_bias_must_have_one_number_for_each_output_channel(rank: int) -> None:
    right = arguments(rank)
    for shape in ((), (0,), (1,), (3,), (5,), (4, 1), (1, 4), (4, *[1] * rank)):
        message = rf"bias must have shape \(4,\).*; got {re.escape(str(shape))}"
        refused(rank, right, "bias", np.ones(shape, np.float32), ValueError, message)
    with pytest.raises(ValueError, match=r"bias must have shape \(1,\).*; got \(\)"):
        CONV[rank](right["x"][0, 0], right["w"][0, 0], np.float32(1))


@every_rank
@pytest.mark.parametrize("changed", ["residual", "out"])
def test_residual_and_out_must_have_the_shape_of_the_result(rank: int, changed: str) -> None:
    right = arguments(rank)
    shape = right["out"].shape
    for wrong in (
        (),
        shape[1:],
        (1, *shape),
        (1, *shape[1:]),
        (3, *shape[1:]),
        (0, *shape[1:]),
        (shape[0], 1, *shape[2:]),
        (*shape[:-1], 1),
        (*shape[:-1], shape[-1] + 1),
        (shape[0], *shape[2:], shape[1]),
        tuple(reversed(shape)),
        (int(np.prod(shape)),),
    ):
        shapes = rf"{re.escape(str(shape))}; got {re.escape(str(wrong))}"
        message = f"{changed} must have the shape of the result, {shapes}"
        refused(rank, right, changed, canary(wrong), ValueError, message)


# ---- out ---------------------------------------------------------------------------------------------------


def read_only(a: Any) -> Any:
    view = a.view()
    view.flags.writeable = False
    return view


def in_gaps(a: Any, axis: int) -> Any:
    """The shape of `a`, with every second element of an axis in memory."""
    return np.repeat(a, 2, axis)[(slice(None),) * axis + (slice(None, None, 2),)]


def overlapping_images(a: Any) -> Any:
    memory = canary((a.size * 2,))
    strides = (memory.itemsize * (a[0].size - 1), *a.strides[1:])
    return np.lib.stride_tricks.as_strided(memory, a.shape, strides, writeable=True)


WRONG_OUTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "read-only": (read_only, "out must be writable"),
    "other byte order": (lambda a: a.astype(a.dtype.newbyteorder()), "out must be in native byte order"),
    "misaligned": (misaligned, "out must be aligned"),
    "Fortran order": (np.asfortranarray, "out must be C-contiguous but for the batch stride, got strides"),
    "gaps between channels": (lambda a: in_gaps(a, 1), "out must be C-contiguous .*strides"),
    "gaps between rows": (lambda a: in_gaps(a, a.ndim - 1), "out must be C-contiguous .*strides"),
    "reversed rows": (lambda a: a[..., ::-1], "out must be C-contiguous .*strides"),
    "reversed channels": (lambda a: a[:, ::-1], "out must be C-contiguous .*strides"),
    "one image for all": (lambda a: np.broadcast_to(a[:1], a.shape), "out must be writable"),
    "all images at one place": (
        lambda a: np.lib.stride_tricks.as_strided(a, a.shape, (0, *a.strides[1:]), writeable=True),
        "out must not overlap itself.*strides",
    ),
    "images that share an element": (overlapping_images, "out must not overlap itself.*strides"),
}


@every_rank
@pytest.mark.parametrize("kind", WRONG_OUTS)
@pytest.mark.filterwarnings("ignore:Numpy has detected:DeprecationWarning")
def test_out_that_cannot_take_the_result(rank: int, kind: str) -> None:
    right = arguments(rank)
    change, message = WRONG_OUTS[kind]
    refused(rank, right, "out", change(right["out"]), ValueError, message)


def views_of(memory: Any, shape: tuple[int, ...], first: int) -> Any:
    """A view of `shape` into flat memory, from an element on."""
    size = int(np.prod(shape))
    return memory[first : first + size].reshape(shape)


@every_rank
@pytest.mark.parametrize("other", ["x", "w", "bias", "residual"])
def test_out_must_not_overlap_another_argument(rank: int, other: str) -> None:
    """By all, by one element at either end, and by every second element of a strided view."""
    right = arguments(rank)
    a, out = right[other], right["out"]
    memory = canary((3 * max(a.size, out.size),))
    middle = max(a.size, out.size)
    message = f"out must not overlap {other}"
    plan = npconv.plan_conv(right["x"].shape, right["w"], right["bias"])
    for first in (middle - a.size + 1, middle + 1, middle + out.size - 1):
        given = right | {"out": views_of(memory, out.shape, middle), other: views_of(memory, a.shape, first)}
        before = memory.tobytes()
        with pytest.raises(ValueError, match=message):
            CONV[rank](**given)
        if other in ("x", "residual"):
            with pytest.raises(ValueError, match=message):
                plan(given["x"], residual=given["residual"], out=given["out"])
        assert memory.tobytes() == before
    swapped = views_of(memory, a.shape, middle + 1).view(a.dtype.newbyteorder())
    given = right | {"out": views_of(memory, out.shape, middle), other: swapped}
    with pytest.raises(ValueError, match=message):
        CONV[rank](**given)


def test_out_may_be_residual_only_with_the_same_strides() -> None:
    right = arguments(2)
    out = right["out"]
    square = canary((2, 4, 5, 5))
    for residual in (out[::-1], out[:, ::-1], out[..., ::-1], np.flip(out)):
        refused(
            2, right, "residual", residual, ValueError, "out must not overlap residual, unless it is the same"
        )
    given = {"x": ints((2, 3, 7, 6)), "w": right["w"], "residual": square.swapaxes(2, 3), "out": square}
    before = square.tobytes()
    with pytest.raises(ValueError, match="out must not overlap residual, unless it is the same memory"):
        npconv.conv2d(**given)
    assert square.tobytes() == before


def test_out_may_not_be_x_even_where_each_pixel_needs_only_itself() -> None:
    x = canary((1, 1, 4, 4))
    before = x.tobytes()
    for out in (x, x[:], x.view()):
        with pytest.raises(ValueError, match="out must not overlap x"):
            npconv.conv2d(x, np.ones((1, 1, 1, 1), np.float32), out=out)
    assert x.tobytes() == before
