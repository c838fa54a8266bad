# SPDX-License-Identifier: BSD-3-Clause
"""Wrong calls of the pooling functions and their gradients: the right error, and `out` stays as it was.

A message names the argument and shows the value. Wrong arrays are in test_pool_errors_arrays.py.
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import npconv
import numpy as np
import pool_cases
import pytest
import reference_pool as ref
from npconv import grad
from rules import RANKS, SPATIAL, canary, ints, printed_by
from test_errors import BIG, NAN, NOT_INTS, Indexes

every_rank = pytest.mark.parametrize("rank", RANKS)
FORWARD = (
    *(f"{op}_pool" for op in pool_cases.OPS),
    *("max_unpool", "unfold", "fold"),
)
BACKWARD = tuple(f"grad.{name}" for name in FORWARD)
FUNCTIONS = FORWARD + BACKWARD


class Call(NamedTuple):
    function: Any
    right: dict[str, Any]  # all the arguments of a right call; `out` full of a canary where there is one


def function_of(name: str, rank: int) -> Any:
    module, base = (grad, name.removeprefix("grad.")) if name.startswith("grad.") else (npconv, name)
    return getattr(module, f"{base}{rank}d")


def right_call(name: str, rank: int, dtype: str = "float32") -> Call:
    """A right call of a function (or "grad." and its name), channels first and with a batch."""
    function, shape = function_of(name, rank), (2, 3, *SPATIAL[rank])
    x = ints(shape, dtype, 1)
    kernel = {"kernel_size": 2}
    pooled, indices = ref.max_pool(x, 2, rank=rank)
    adapted, places = ref.adaptive_max_pool(x, 2, rank=rank)
    columns = ref.unfold(x, 2, rank=rank)
    like_pooled, one = ints(pooled.shape, dtype, 2), ints((2, 3, *[1] * rank), dtype, 2)
    even = x[(..., *[slice(n // 2 * 2) for n in SPATIAL[rank]])]
    _, places_of_minima = ref.min_pool(x, 2, rank=rank)
    maxima, their_places = ref.max_pool(even, 2, rank=rank)
    right: dict[str, dict[str, Any]] = {
        "max_pool": {"x": x, **kernel},
        "min_pool": {"x": x, **kernel},
        "avg_pool": {"x": x, **kernel},
        "lp_pool": {"x": x, "norm_type": 2, **kernel},
        "adaptive_max_pool": {"x": x, "output_size": 2},
        "adaptive_avg_pool": {"x": x, "output_size": 2},
        "global_max_pool": {"x": x},
        "global_avg_pool": {"x": x},
        "max_unpool": {"x": maxima, "indices": their_places, **kernel},
        "unfold": {"x": x, **kernel},
        "fold": {"cols": columns, "output_size": SPATIAL[rank], **kernel},
        "grad.max_pool": {"grad_out": like_pooled, "indices": indices, "input_shape": shape},
        "grad.min_pool": {"grad_out": like_pooled, "indices": places_of_minima, "input_shape": shape},
        "grad.adaptive_max_pool": {"grad_out": adapted, "indices": places, "input_shape": shape},
        "grad.avg_pool": {"grad_out": like_pooled, "input_shape": shape, **kernel},
        "grad.lp_pool": {"grad_out": like_pooled, "x": x, "norm_type": 2, **kernel},
        "grad.adaptive_avg_pool": {"grad_out": adapted, "input_shape": shape},
        "grad.global_avg_pool": {"grad_out": one, "input_shape": shape},
        "grad.global_max_pool": {"grad_out": one, "x": x},
        "grad.max_unpool": {"grad_out": even, "indices": their_places},
        "grad.unfold": {"grad_out": columns, "input_shape": shape, **kernel},
        "grad.fold": {"grad_out": x, **kernel},
    }
    arguments = right[name]
    if "out" in inspect.signature(function).parameters:
        arguments["out"] = canary(np.shape(function(**arguments)), dtype)
    return Call(function, arguments)


def refused(
    call: Call, changed: str, value: Any, errors: Any, shown: str | None = None, *, named: str = ""
) -> str:
    """Fail unless the call raises the error, names the argument and the value, and leaves `out` alone."""
    given = call.right | {changed: value}
    out = given.get("out")
    before = out.tobytes() if isinstance(out, np.ndarray) else b""
    told = f"{call.function.__name__}({changed}={value!r:.80})"
    raised: Exception | None = None
    try:
        call.function(**given)
    except (TypeError, ValueError, MemoryError, IndexError) as error:
        raised = error
    message = str(raised)
    assert type(raised) in (errors if isinstance(errors, tuple) else (errors,)), f"{told}: {raised!r}"
    assert (named or changed) in message, f"{told}: {message}"
    text = repr(value) if shown is None else shown
    assert text.replace("\n", " ")[:60] in message, f"{told}: {message}"
    assert before == (out.tobytes() if isinstance(out, np.ndarray) else b""), told
    return message


# ---- every argument but the arrays -------------------------------------------------------------------------

Row = tuple[Any, Any] | tuple[Any, Any, str]  # value, error, what is shown of it unless its repr


def not_ints(*but: Any) -> list[Row]:
    return [row for row in NOT_INTS if not any(row[0] is value for value in but)]


LENGTHS: list[Row] = [(v, ValueError) for v in ((), (1,) * 4, [1] * 5)]
FLAGS: list[Row] = [(v, TypeError) for v in (None, 0, 1, "yes", NAN, [True], np.array(True), 1.0)]
SIZES: list[Row] = [
    *[(v, ValueError) for v in (0, -1, -(2**62), -BIG, BIG, 2**64, 10**30)],
    *LENGTHS,
]
WRONG: dict[str, list[Row]] = {
    "kernel_size": [*not_ints(), *SIZES],
    "stride": [*not_ints(None), *SIZES],
    "dilation": [*not_ints(), *SIZES],
    "padding": [
        *[(v, TypeError) for v, _ in not_ints() if not isinstance(v, str)],
        *[(v, ValueError) for v in ("1", "", "SAME", "same ", "reflect", "zeros")],
        *[(v, ValueError) for v in (-1, -(2**62), -BIG, 2**62, BIG - 1, BIG, 2**64)],
        *[(v, ValueError) for v in ((), (1,) * 4, [[1, 1]] * 4)],
    ],
    "ceil_mode": FLAGS,
    "count_include_pad": FLAGS,
    "return_indices": FLAGS,
    "keepdims": FLAGS,
    "divisor_override": [
        *not_ints(None),
        *[(v, TypeError) for v in ((1,), [1], ())],
        *[(v, ValueError) for v in (0, BIG, -BIG - 1, 2**64)],
    ],
    "norm_type": [
        *[(v, TypeError) for v in (True, np.True_, False, None, "2", b"2", 1j, [2], (2,), object)],
        *[(v, TypeError) for v in (np.ones(1), np.ones(2), np.array("a"))],
        *[(v, ValueError) for v in (0, 0.0, -1, -0.5, NAN, np.inf, -np.inf)],
        *[(v, ValueError, "") for v in (10**400, -0.0, np.float32(-2), np.float64(0))],
    ],
    "layout": [
        *[(v, ValueError) for v in ("", "NCHW", "channels")],
        *[(v, TypeError) for v in (None, 0, b"channels_last", [], True)],
    ],
    "num_threads": [
        *not_ints(None),
        *[(v, ValueError) for v in (0, -1, 1025, BIG - 1, BIG, -(2**64))],
    ],
    "input_shape": [
        *not_ints(),
        (5, TypeError),
        *[(v, ValueError) for v in ((), (2,) * 6, (1,) * 7)],
    ],
}
OUTPUT_SIZE: dict[str, list[Row]] = {
    "adaptive_max_pool": [*not_ints(None), *SIZES],
    "adaptive_avg_pool": [*not_ints(None), *SIZES],
    "fold": [*not_ints(), *SIZES],
    "max_unpool": [*not_ints(None), *SIZES],
}
ARRAYS = ("x", "cols", "grad_out", "indices", "out")


def arguments_of(name: str) -> list[str]:
    parameters = inspect.signature(function_of(name, 1)).parameters
    return [argument for argument in parameters if argument not in ARRAYS]


def pairs() -> list[tuple[str, str]]:
    return [(name, argument) for name in FUNCTIONS for argument in arguments_of(name)]


def rows(name: str, argument: str) -> list[Row]:
    return OUTPUT_SIZE[name] if argument == "output_size" else WRONG[argument]


@every_rank
@pytest.mark.parametrize(("name", "argument"), pairs())
def test_wrong_argument(name: str, argument: str, rank: int) -> None:
    call = right_call(name, rank)
    for value, errors, *shown in rows(name, argument):
        refused(call, argument, value, errors, *shown)


@every_rank
@pytest.mark.parametrize("name", [f"{op}_pool" for op in pool_cases.OPS])
def test_wrong_arguments_are_no_less_wrong_where_nothing_is_computed(name: str, rank: int) -> None:
    call = right_call(name, rank)
    arguments = {k: v for k, v in call.right.items() if k != "out"}
    for axis in (0, 1):
        empty = Call(call.function, arguments | {"x": call.right["x"].take([], axis)})
        for argument in arguments_of(name):
            for value, errors, *shown in rows(name, argument):
                refused(empty, argument, value, errors, *shown)
        refused(empty, "kernel_size", 99, ValueError) if "kernel_size" in arguments else None


@every_rank
@pytest.mark.parametrize("argument", ["kernel_size", "stride", "dilation", "padding", "output_size"])
def test_wrong_entry_of_a_tuple(argument: str, rank: int) -> None:
    for name, changed in pairs():
        if changed != argument or (argument == "output_size" and name == "max_unpool"):
            continue
        call = right_call(name, rank)
        nothing = [] if argument == "output_size" and "adaptive" in name else [(None, TypeError)]
        for entry, error in (
            *[(1.0, TypeError), (True, TypeError), (np.array(1), TypeError), ("1", TypeError)],
            *[(-1, ValueError), (2**70, ValueError)],
            *nothing,
        ):
            for place in range(rank):
                value: list[Any] = [1] * rank
                value[place] = entry
                refused(call, argument, value, error, repr(entry))
                refused(call, argument, tuple(value), error, repr(entry))
        for length in {0, 1, 2, 3, 4} - {rank}:
            refused(call, argument, [1] * length, ValueError)


@every_rank
def test_wrong_entry_of_input_shape(rank: int) -> None:
    for name, argument in pairs():
        if argument != "input_shape":
            continue
        call = right_call(name, rank)
        right = call.right["input_shape"]
        for place in range(rank + 2):
            for entry, error in (
                *[(1.0, TypeError), (True, TypeError), (None, TypeError), (np.array(1), TypeError)],
                *[(-1, ValueError), (-BIG, ValueError), (2**70, ValueError)],
                *([(0, ValueError)] if place > 1 else []),
            ):
                value = (*right[:place], entry, *right[place + 1 :])
                refused(call, "input_shape", value, error, repr(entry))


@every_rank
def test_an_input_shape_that_does_not_fit_grad_out(rank: int) -> None:
    for name, argument in pairs():
        if argument != "input_shape":
            continue
        call = right_call(name, rank)
        batch, channels, *sizes = call.right["input_shape"]
        wrong = [(batch + 1, channels, *sizes), (batch, channels + 1, *sizes), (channels, *sizes)]
        if name in ("grad.avg_pool", "grad.unfold"):
            wrong.append((batch, channels, *sizes[:-1], sizes[-1] + 4))
        for shape in wrong:
            refused(call, "input_shape", shape, ValueError, "", named="grad_out")


@every_rank
def test_layouts_that_do_not_fit(rank: int) -> None:
    """grad_out of the other layout has other channels."""
    for name in (
        "grad.max_pool",
        "grad.min_pool",
        "grad.avg_pool",
        "grad.global_avg_pool",
        "grad.adaptive_avg_pool",
    ):
        refused(right_call(name, rank), "layout", "channels_last", ValueError, "", named="grad_out")


def test_stride_none_is_not_for_dilation() -> None:
    """None is the kernel size for the stride of pools alone."""
    x = ints((1, 1, 7, 8))
    for name in ("max_pool2d", "min_pool2d", "avg_pool2d"):
        np.testing.assert_array_equal(
            getattr(npconv, name)(x, (2, 3), stride=None), getattr(npconv, name)(x, (2, 3), stride=(2, 3))
        )
        with pytest.raises(TypeError, match=r"dilation .*None"):
            getattr(npconv, name)(x, 2, dilation=None)


# ---- windows that do not fit -------------------------------------------------------------------------------

WITH_PADDING = ("max_pool", "min_pool", "avg_pool", "lp_pool", "grad.avg_pool", "grad.lp_pool")


@every_rank
@pytest.mark.parametrize("name", [*WITH_PADDING, "max_unpool"])
def test_padding_must_stay_below_the_effective_kernel(name: str, rank: int) -> None:
    call = right_call(name, rank)
    for padding, shown in (
        (2, "2"),
        (3, "3"),
        ((((0, 2),) * rank), "2"),
        ((((0, 0),) * (rank - 1) + ((5, 0),)), "5"),
    ):
        refused(call, "padding", padding, ValueError, shown)
    if name in ("max_pool", "min_pool", "avg_pool", "lp_pool"):
        x = call.right["x"]
        given: dict[str, Any] = {k: v for k, v in call.right.items() if k not in ("x", "out")}
        for padding in (3, 4):  # dilation 3: the effective kernel is 4
            if padding < 4:
                call.function(x, dilation=3, padding=padding, **given)
            else:
                with pytest.raises(ValueError, match=r"padding.*4"):
                    call.function(x, dilation=3, padding=padding, **given)
        with pytest.raises(ValueError, match="padding"):
            call.function(x, **given | {"kernel_size": 1, "padding": 1})


@every_rank
@pytest.mark.parametrize("name", ["max_pool", "min_pool", "avg_pool", "lp_pool", "unfold"])
def test_a_kernel_larger_than_the_padded_input(name: str, rank: int) -> None:
    """With a stride larger than what is missing, too: -1 / 5 is not 0."""
    call = right_call(name, rank)
    for axis in range(rank):
        size = SPATIAL[rank][axis]
        for stride in (1, 2, 3 * size):
            for kernel, padding in ((size + 1, 0), (size + 3, 1), (3 * size, "valid")):
                kernels = tuple(kernel if a == axis else 1 for a in range(rank))
                paddings = tuple(padding if a == axis else 0 for a in range(rank))
                given = {"kernel_size": kernels, "stride": stride}
                given["padding"] = padding if isinstance(padding, str) else paddings
                message = refused(
                    Call(call.function, call.right | given),
                    "kernel_size",
                    kernels,
                    ValueError,
                    "",
                    named="kernel",
                )
                assert str(kernel) in message


@every_rank
@pytest.mark.parametrize("op", pool_cases.OPS)
def test_spatial_axes_must_not_be_empty(op: str, rank: int) -> None:
    call = right_call(f"{op}_pool", rank)
    arguments = {k: v for k, v in call.right.items() if k != "out"}
    for axis in range(rank):
        for lead in ((2, 3), (0, 3), (3,), ()):
            shape = [*lead, *SPATIAL[rank]]
            shape[len(lead) + axis] = 0
            for padding in ({}, {"padding": 1}, {"padding": "same"}) if "kernel_size" in arguments else ({},):
                given = Call(call.function, arguments | padding)
                refused(given, "x", np.empty(shape, np.float32), ValueError, "0")


@every_rank
def test_unfold_needs_elements_too(rank: int) -> None:
    call = right_call("unfold", rank)
    for axis in range(rank):
        shape = [2, 3, *SPATIAL[rank]]
        shape[2 + axis] = 0
        refused(call, "x", np.empty(shape, np.float32), ValueError, "0")


@every_rank
def test_the_output_size_of_unpooling_lies_within_a_stride_of_the_default(rank: int) -> None:
    call = right_call("max_unpool", rank)
    right = {k: v for k, v in call.right.items() if k != "out"}
    default = ref.unpooled_size(right["x"].shape[2:], 2)
    for axis in range(rank):
        for difference in (-5, -3, -2, 2, 3, 99):
            sizes = tuple(n + difference if a == axis else n for a, n in enumerate(default))
            if min(sizes) > 0:
                refused(Call(call.function, right), "output_size", sizes, ValueError, str(sizes[axis]))
        sizes = tuple(n + 1 if a == axis else n for a, n in enumerate(default))
        assert call.function(**right, output_size=sizes).shape == (2, 3, *sizes)


@every_rank
def test_columns_that_do_not_fit_the_output_size(rank: int) -> None:
    call = right_call("fold", rank)
    batch, height, width = call.right["cols"].shape
    for shape in (
        (batch, height + 1, width),
        (batch, height, width + 1),
        (batch, height, 0),
        (height, width - 1),
    ):
        refused(call, "cols", np.ones(shape, np.float32), ValueError, "")
    refused(call, "output_size", tuple(n + 1 for n in SPATIAL[rank]), ValueError, "", named="cols")
    refused(call, "layout", "channels_last", ValueError, "", named="cols")


# ---- what is given by the caller's own objects -------------------------------------------------------------


@pytest.mark.parametrize("argument", ["kernel_size", "stride", "padding", "dilation", "num_threads"])
def test_an_error_of_the_callers_own_index_passes_through(argument: str) -> None:
    for name in ("max_pool", "min_pool", "avg_pool", "lp_pool"):
        call = right_call(name, 2)
        with pytest.raises(KeyError, match="mine"):
            call.function(**call.right | {argument: Indexes(KeyError("mine"))})
        with pytest.raises(ValueError, match=rf"{argument} must fit in 64 bits"):
            call.function(**call.right | {argument: Indexes(2**70)})


def test_what_stands_after_the_positional_arguments_must_be_named() -> None:
    for name in FUNCTIONS:
        call = right_call(name, 2)
        positional = [v for k, v in call.right.items() if k != "out"]
        call.function(*positional)
        with pytest.raises(TypeError, match="positional argument"):
            call.function(*positional, None)


# ---- sizes beyond reason -----------------------------------------------------------------------------------


def test_sizes_beyond_reason_are_refused_or_right_and_never_hang_or_crash() -> None:
    """In a child: refused with ValueError or MemoryError, or right."""
    code = """
import npconv, numpy as np
from npconv import grad
from rules import zero_stride as ones
x, image, none = np.arange(5, dtype=np.float32), ones(1, 1, 6, 7), np.empty((0, 1, 2**30, 2**30), np.float32)
g, inf, top = ones(1, 1, 3), float("inf"), 2**63 - 1
def run(name, call, right=None):
    print(name, end=": ", flush=True)
    try:
        y = call()
    except (ValueError, MemoryError) as error:
        assert str(error) or isinstance(error, MemoryError), name
        print("refused")
        return
    assert right is not None, f"{name}: {y!r:.200}"
    if isinstance(right, tuple):
        assert y.shape == right, y.shape
    else:
        np.testing.assert_allclose(y, right, rtol=1e-6)
    print("right")
pools = {"max": npconv.max_pool1d, "min": npconv.min_pool1d, "avg": npconv.avg_pool1d}
pools["lp"] = lambda x, k, **how: npconv.lp_pool1d(x, 2, k, **how)
for name, pool in pools.items():
    value = {"max": 4, "min": 0, "avg": 2, "lp": 30**0.5}[name]
    for n in (2**62, top):
        run(f"{name}: kernel {n}", lambda: pool(x, n))
        # of the first element, and of the others
        two = {"max": [0, 4], "min": [0, 1], "avg": [0, 10 / n], "lp": [0, value]}[name]
        run(f"{name}: kernel {n}, padded", lambda: pool(x, n, padding=n - 1), two)
        run(f"{name}: kernel {n}, full", lambda: pool(x, n, padding="full"), two)
        all_of_it = [10 / n if name == "avg" else value]
        run(f"{name}: kernel {n}, same", lambda: pool(x, n, padding="same"), all_of_it)
        run(f"{name}: dilation {n}", lambda: pool(x, 3, dilation=n))
        run(f"{name}: dilation {n}, full", lambda: pool(x, 2, dilation=n, padding="full"))
        run(f"{name}: stride {n}", lambda: pool(x, 5, stride=n), [value])
        run(f"{name}: stride {n}, ceil", lambda: pool(x, 5, stride=n, ceil_mode=True), [value])
        run(f"{name}: stride {n}, ceil, padded", lambda: pool(x, 5, stride=n, ceil_mode=True, padding=4), [0])
        run(f"{name}: stride {n}, same", lambda: pool(x, 5, stride=n, padding="same"), [value])
    k = 2**40
    run(f"{name}: kernel 2^40, padded", lambda: pool(x, k, padding=k - 1, stride=k),
        {"max": [0, 4], "min": [0, 1], "avg": [0, 10 / k], "lp": [0, 30**0.5]}[name])
    run(f"{name}: dilation 2^61", lambda: pool(x, 2, padding=2**61, dilation=2**61, stride=2**60),
        {"max": [0, -inf, 0], "min": [0, inf, 0], "avg": [0, 0, 0], "lp": [0, 0, 0]}[name])
    run(f"{name}: few of many", lambda: pool(ones(1, 1, 2**60), 1, stride=2**58), [[[1, 1, 1, 1]]])
    run(f"{name}: more than there can be", lambda: pool(ones(1, 1, 2**60), 1))
big = 2**30
how = {"padding": big - 1, "stride": big}
run("avg: 2^60 taps", lambda: npconv.avg_pool2d(image, big, **how), (1, 1, 2, 2))
run("avg: 2^90 taps", lambda: npconv.avg_pool3d(ones(1, 1, 2, 2, 2), big, **how), (1, 1, 2, 2, 2))
for pool in (npconv.max_pool3d, npconv.min_pool3d):
    run("max, min: 2^90 taps", lambda: pool(ones(1, 1, 2, 2, 2), big, **how), np.ones((1, 1, 2, 2, 2)))
for n in (2**44, 2**62, top):
    run(f"adaptive avg {n}", lambda: npconv.adaptive_avg_pool2d(image, n))
    run(f"adaptive max {n}", lambda: npconv.adaptive_max_pool2d(image, (n, 1), return_indices=True))
    run(f"adaptive of nothing {n}", lambda: npconv.adaptive_avg_pool2d(image[:0], n), (0, 1, n, n))
    run(f"fold to {n}", lambda: npconv.fold2d(ones(1, 4, 6), n, 2))
    run(f"fold to {n}, wide", lambda: npconv.fold1d(ones(1, 1, 1), n, 1, stride=n))
    run(f"unfold, kernel {n}", lambda: npconv.unfold2d(image, n))
    run(f"unfold, kernel {n}, same", lambda: npconv.unfold2d(image, n, padding="same"))
    run(f"unfold, padding {n}", lambda: npconv.unfold2d(image, 2, padding=n))
    run(f"unfold, dilation {n}", lambda: npconv.unfold2d(image, 3, dilation=n))
    run(f"unpool, stride {n}", lambda: npconv.max_unpool1d(g, np.zeros((1, 1, 3), np.int64), 2, stride=n))
    run(f"unpool, kernel {n}", lambda: npconv.max_unpool2d(image, np.zeros((1, 1, 6, 7), np.int64), n))
    run(f"grad max {n}", lambda: grad.max_pool2d(image, np.zeros((1, 1, 6, 7), np.int64), (1, 1, n, n)))
    run(f"grad min {n}", lambda: grad.min_pool2d(image, np.zeros((1, 1, 6, 7), np.int64), (1, 1, n, n)))
    run(f"grad avg {n}", lambda: grad.avg_pool1d(g, (1, 1, n), 2))
    run(f"grad avg {n}, fits", lambda: grad.avg_pool1d(ones(1, 1, 1), (1, 1, n), 2, stride=top))
    run(f"grad global {n}", lambda: grad.global_avg_pool2d(ones(1, 1, 1, 1), (1, 1, n, n)))
    run(f"grad adaptive {n}", lambda: grad.adaptive_avg_pool2d(ones(1, 1, 1, 1), (1, 1, n, n)))
    run(f"grad unfold {n}", lambda: grad.unfold1d(ones(1, 2, 3), (1, 1, n), 2))
run("global of no images", lambda: npconv.global_avg_pool2d(none), (0, 1, 1, 1))
run("global max of no images", lambda: npconv.global_max_pool2d(none, keepdims=False), (0, 1))
run("adaptive of no images", lambda: npconv.adaptive_avg_pool2d(none, 7), (0, 1, 7, 7))
signals = np.empty((0, 1, 2**60), np.float32)
run("adaptive of no signals", lambda: npconv.adaptive_max_pool1d(signals, 16), (0, 1, 16))
run("max of no images", lambda: npconv.max_pool2d(none, big), (0, 1, 1, 1))
run("min of no images", lambda: npconv.min_pool2d(none, big), (0, 1, 1, 1))
print("alive")
"""
    lines = printed_by(code, timeout=100).splitlines()
    assert lines[-1] == "alive"
    assert len(lines) > 100
