# SPDX-License-Identifier: BSD-3-Clause
"""Wrong arrays in calls of the pooling functions and their gradients: dtypes, axes, shapes, indices, `out`.

After each failing call `out` is bitwise as it was. The other arguments are in test_pool_errors.py.
"""

from __future__ import annotations

from typing import Any

import npconv
import numpy as np
import pytest
from npconv import grad
from pool_cases import DTYPES, FLOATS
from rules import RANKS, canary, ints
from test_errors_arrays import OTHER_DTYPES, WRONG_OUTS, Raises
from test_pool_errors import FUNCTIONS, Call, function_of, refused, right_call

every_rank = pytest.mark.parametrize("rank", RANKS)
every_function = pytest.mark.parametrize("name", FUNCTIONS)
ANY_DTYPE = ("max_pool", "min_pool", "adaptive_max_pool", "global_max_pool", "max_unpool")
WITH_OUT = [name for name in FUNCTIONS if "out" in right_call(name, 1).right]
# Of the gradients of maxima the contract of integers is left open: they are not asked.
NEVER = [
    *("bool", "uint16", "uint32", "uint64", "float16", "longdouble", "complex64", "complex128"),
    *("S3", "U3", "V4", "O", "M8[s]", "m8[s]", ">f2", ">u4", "f4,f4"),
]


def arrays_of(call: Call) -> list[str]:
    """The names of the arguments that are arrays of numbers: all but indices and out."""
    return [n for n, v in call.right.items() if isinstance(v, np.ndarray) and n not in ("indices", "out")]


# ---- dtypes and types --------------------------------------------------------------------------------------


@every_function
def test_any_other_dtype_is_a_type_error_that_names_both(name: str) -> None:
    for rank in RANKS:
        call = right_call(name, rank)
        first = arrays_of(call)[0]
        integers_too = name in ANY_DTYPE or name.removeprefix("grad.") in ANY_DTYPE
        for dtype in NEVER if integers_too else OTHER_DTYPES:
            wrong = np.zeros(call.right[first].shape, dtype)
            refused(call, first, wrong, TypeError, str(wrong.dtype))


@every_function
@pytest.mark.parametrize(("dtype", "other"), [("float32", "float64"), ("float64", "float32")])
def test_the_dtypes_of_all_arrays_must_agree(name: str, dtype: str, other: str) -> None:
    call = right_call(name, 2, dtype)
    changed = [*arrays_of(call)[1:], *(["out"] if "out" in call.right else [])]
    for argument in changed:
        for wrong in (other, "int32", "float16", np.dtype(other).newbyteorder()):
            value = np.zeros(call.right[argument].shape, wrong)
            message = refused(call, argument, value, TypeError, "")
            assert dtype in message
            # x may be what the others are compared with: then its type is told in native byte order
            assert str(value.dtype) in message or str(value.dtype.newbyteorder("=")) in message


def test_the_out_of_a_maximum_has_the_dtype_of_x() -> None:
    for dtype in DTYPES:
        for name in ANY_DTYPE:
            call = right_call(name, 2, dtype)
            assert call.function(**call.right) is call.right["out"]
            for wrong in {*DTYPES, "uint16", "float16", "bool"} - {dtype}:
                value = canary(call.right["out"].shape, "uint8" if wrong == "bool" else wrong)
                value = value % 2 == 1 if wrong == "bool" else value
                assert dtype in refused(call, "out", value, TypeError, wrong)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if "indices" in right_call(name, 1).right])
def test_indices_are_int64_exactly(name: str) -> None:
    for rank in RANKS:
        call = right_call(name, rank)
        right = call.right["indices"]
        for dtype in ("int32", "uint64", "int8", "bool", "float64", "float32", "complex128", "O"):
            assert "int64" in refused(call, "indices", right.astype(dtype), TypeError, str(np.dtype(dtype)))
        for same in (np.longlong, ">i8"):
            call.function(**call.right | {"indices": right.astype(same)})


@every_function
def test_masked_arrays_are_type_errors(name: str) -> None:
    call = right_call(name, 2)
    for argument in [n for n, v in call.right.items() if isinstance(v, np.ndarray)]:
        for masked in (np.ma.masked_array(call.right[argument]), np.ma.masked_less(call.right[argument], 0)):
            assert "masked array" in refused(call, argument, masked, TypeError, "")


@every_function
def test_what_is_no_array_of_numbers_is_an_error(name: str) -> None:
    call = right_call(name, 2)
    for argument in [*arrays_of(call), *(["indices"] if "indices" in call.right else [])]:
        for value in (None, "text", b"text", object(), {}, {1.0}, 1j, len, [None]):
            refused(call, argument, value, (TypeError, ValueError), "")
        refused(call, argument, [[1.0, 2.0], [1.0]], ValueError, "")
        with pytest.raises(KeyError, match="mine"):
            call.function(**call.right | {argument: Raises()})


@pytest.mark.parametrize("name", WITH_OUT)
def test_out_must_be_an_ndarray(name: str) -> None:
    call = right_call(name, 2)
    for value in ([0.0], 1.0, "out", (), np.float32(1), memoryview(b"0")):
        refused(call, "out", value, TypeError, "")


# ---- axes and shapes ---------------------------------------------------------------------------------------


@every_rank
@every_function
def test_wrong_numbers_of_axes(name: str, rank: int) -> None:
    call = right_call(name, rank)
    for argument in arrays_of(call):
        columns = argument == "cols" or name == "grad.unfold"
        for axes in range(7):
            if axes in ((2, 3) if columns else (rank, rank + 1, rank + 2)):
                continue
            refused(call, argument, np.ones((1,) * axes, np.float32), ValueError, str((1,) * axes))


@every_rank
@pytest.mark.parametrize("name", ["grad.global_avg_pool", "grad.global_max_pool"])
def test_keepdims_tells_the_axes_of_grad_out(name: str, rank: int) -> None:
    call = right_call(name, rank)
    refused(call, "keepdims", False, ValueError, "", named="grad_out")
    flat = Call(call.function, call.right | {"keepdims": False, "grad_out": ints((2, 3))})
    call.function(**flat.right)
    for shape in ((2, 3, *[1] * rank), (3, 2), (3,), (), (2, 3, 1), (2, 4)):
        refused(flat, "grad_out", np.ones(shape, np.float32), ValueError, str(shape))


@every_rank
def test_arrays_of_sizes_that_do_not_fit_the_other_ones(rank: int) -> None:
    """Batch, channels and pixels of grad_out, and of indices."""
    for name in FUNCTIONS:
        call = right_call(name, rank)
        for argument in ("grad_out", "indices"):
            right = call.right.get(argument)
            if right is None or (name, argument) in (
                ("grad.max_unpool", "grad_out"),
                ("grad.fold", "grad_out"),
            ):
                continue
            for axis in range(right.ndim):
                shape = list(right.shape)
                shape[axis] += 1
                if name == "grad.adaptive_avg_pool" and axis > 1:
                    continue  # any number of pixels is right
                if name == "grad.max_unpool" and axis > 1:
                    continue
                wrong = np.zeros(shape, right.dtype)
                refused(call, argument, wrong, ValueError, "", named="must")
                refused(call, argument, right.take([], axis), ValueError, "", named="must")


@pytest.mark.parametrize("name", WITH_OUT)
def test_out_must_have_the_shape_of_the_result(name: str) -> None:
    for rank in RANKS:
        call = right_call(name, rank)
        shape = call.right["out"].shape
        wrongs = {
            *((), shape[1:], (1, *shape), (1, *shape[1:]), (3, *shape[1:]), (0, *shape[1:])),
            *((shape[0], 1, *shape[2:]), (*shape[:-1], shape[-1] + 1), (*shape[:-1], 0)),
            *((shape[0], *shape[2:], shape[1]), tuple(reversed(shape)), (int(np.prod(shape)),)),
        } - {shape}
        for wrong in wrongs:
            message = refused(call, "out", canary(wrong), ValueError, str(wrong))
            assert str(shape) in message


# ---- indices -----------------------------------------------------------------------------------------------


@every_rank
@pytest.mark.parametrize(
    "name", ["max_unpool", "grad.max_unpool", "grad.max_pool", "grad.min_pool", "grad.adaptive_max_pool"]
)
def test_indices_out_of_the_plane(name: str, rank: int) -> None:
    """-1 is nothing's place for the gradient of a maximum alone."""
    call = right_call(name, rank)
    right = call.right["indices"]
    plane = {
        "max_unpool": lambda: call.right["out"][0, 0].size,
        "grad.max_unpool": lambda: call.right["grad_out"][0, 0].size,
    }.get(name, lambda: int(np.prod(call.right["input_shape"][2:])))()
    none = name in ("grad.max_pool", "grad.min_pool", "grad.adaptive_max_pool")
    for wrong in (plane, plane + 1, 2**31, 2**62, 2**63 - 1, -2, -plane, -(2**63), *([] if none else [-1])):
        for at in (0, right.size // 2, right.size - 1):
            indices = right.copy()
            indices.reshape(-1)[at] = wrong
            refused(call, "indices", indices, ValueError, str(wrong))
            refused(call, "indices", indices.astype(">i8"), ValueError, str(wrong))
    for good in (0, plane - 1, *([-1] if none else [])):
        call.function(**call.right | {"indices": np.full_like(right, good)})


def test_minus_one_is_nothing_to_the_gradient_of_a_maximum() -> None:
    g = ints((2, 3, 4, 4)) + 9
    for gradient in (grad.max_pool2d, grad.min_pool2d, grad.adaptive_max_pool2d):
        dx = gradient(g, np.full(g.shape, -1), (2, 3, 5, 5))
        assert not dx.any()


# ---- out ---------------------------------------------------------------------------------------------------


@every_rank
@pytest.mark.parametrize("name", WITH_OUT)
@pytest.mark.filterwarnings("ignore:Numpy has detected:DeprecationWarning")
def test_out_that_cannot_take_the_result(name: str, rank: int) -> None:
    call = right_call(name, rank)
    out = call.right["out"]
    for kind, (change, message) in WRONG_OUTS.items():
        wrong = change(out)
        if out[0, 0].size == 1 and kind in ("gaps between rows", "reversed rows"):
            continue  # there is but one
        told = refused(call, "out", wrong, ValueError, "")
        assert message.split(",")[0].split(".*")[0] in told, (kind, told)


@every_rank
@pytest.mark.parametrize("name", WITH_OUT)
def test_out_must_not_overlap_another_argument(name: str, rank: int) -> None:
    """By all, by one element at either end, and where the bytes are swapped."""
    call = right_call(name, rank)
    out = call.right["out"]
    for other in [n for n, v in call.right.items() if isinstance(v, np.ndarray) and n != "out"]:
        a = call.right[other]
        size = a.nbytes // out.itemsize
        memory = canary((3 * max(size, out.size),))
        middle = max(size, out.size)
        out_view = memory[middle : middle + out.size].reshape(out.shape)
        # indices are of eight bytes: their ends lie on even elements
        step = a.itemsize // out.itemsize
        starts = (middle - size + step, middle, middle + (out.size - 1) // step * step)
        for first in starts:
            a_view = memory[first : first + size].view(a.dtype).reshape(a.shape)
            if other == "indices":
                a_view[...] = 0  # right ones
            for swapped in (a_view, a_view.view(a.dtype.newbyteorder())):
                before = memory.tobytes()
                given = Call(call.function, call.right | {other: swapped})
                message = refused(given, "out", out_view, ValueError, "")
                assert f"out must not overlap {other}" in message
                assert memory.tobytes() == before


@pytest.mark.parametrize("name", WITH_OUT)
def test_out_of_the_other_layout_or_form(name: str) -> None:
    call = right_call(name, 2)
    out = call.right["out"]
    refused(call, "out", out[0].copy(), ValueError, str(out[0].shape))
    refused(call, "out", np.moveaxis(out, 1, -1).copy(), ValueError, str(np.moveaxis(out, 1, -1).shape))


@pytest.mark.parametrize("name", WITH_OUT)
def test_out_may_have_its_images_apart_or_backwards(name: str) -> None:
    for rank in RANKS:
        call = right_call(name, rank)
        right = {k: v for k, v in call.right.items() if k != "out"}
        want = call.function(**right)
        for out in (np.full((4, *want.shape[1:]), 7, want.dtype)[::2], np.full_like(want, 7)[::-1]):
            assert call.function(**right, out=out) is out
            np.testing.assert_array_equal(out, want)


def test_return_indices_leaves_out_alone_too_where_the_call_is_wrong() -> None:
    x, out = ints((1, 2, 7, 8)), canary((1, 2, 3, 4))
    before = out.tobytes()
    wrongs: list[dict[str, Any]] = [{"stride": 0}, {"padding": 2}, {"layout": "x"}, {"out": out[..., ::-1]}]
    for pool in (npconv.max_pool2d, npconv.min_pool2d):
        out = canary((1, 2, 3, 4))
        for wrong in wrongs:
            with pytest.raises(ValueError, match="must"):
                pool(x, 2, **{"return_indices": True, "out": out} | wrong)
            assert out.tobytes() == before
        y, indices = pool(x, 2, return_indices=True, out=out)
        assert y is out
        assert indices.dtype == np.int64


def test_an_integer_is_not_taken_for_a_float_nor_converted() -> None:
    for name in ("avg_pool", "lp_pool", "adaptive_avg_pool", "global_avg_pool", "unfold", "fold"):
        call = right_call(name, 2)
        first = arrays_of(call)[0]
        for value in (call.right[first].astype(np.int64).tolist(), call.right[first].astype(np.int8)):
            refused(call, first, value, TypeError, "int")
    assert set(FLOATS) < set(DTYPES)
    assert function_of("max_pool", 1)([3, 1, 2, 5], 2).tolist() == [3, 5]
    assert function_of("min_pool", 1)([3, 1, 2, 5], 2).tolist() == [1, 2]
