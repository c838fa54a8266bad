# SPDX-License-Identifier: BSD-3-Clause
"""The rules on right arguments of pooling: signatures, forms, dtypes, lists, empty results."""

from __future__ import annotations

import inspect
import itertools
import re
from fractions import Fraction
from typing import Any

import npconv
import numpy as np
import pytest
from npconv import _core, grad
from pool_cases import DTYPES, FLOATS, LAYOUTS
from rules import RANKS, SPATIAL, ints, misaligned, same, to_last
from test_pool_errors import FUNCTIONS, function_of, right_call

every_rank = pytest.mark.parametrize("rank", RANKS)
LAYOUT = "layout='channels_first'"
WINDOWS = "stride=None padding=0 dilation=1 ceil_mode=False"
AVERAGE = f"{WINDOWS} count_include_pad=True divisor_override=None"
END = f"{LAYOUT} out=None num_threads=None"
FOLD = "stride=1 padding=0 dilation=1"
SIGNATURES: dict[str, tuple[str, str]] = {
    "max_pool": ("x kernel_size", f"{WINDOWS} return_indices=False {END}"),
    "min_pool": ("x kernel_size", f"{WINDOWS} return_indices=False {END}"),
    "avg_pool": ("x kernel_size", f"{AVERAGE} {END}"),
    "lp_pool": ("x norm_type kernel_size", f"{WINDOWS} {END}"),
    "adaptive_avg_pool": ("x output_size", END),
    "adaptive_max_pool": ("x output_size", f"return_indices=False {END}"),
    "global_avg_pool": ("x", f"keepdims=True {END}"),
    "global_max_pool": ("x", f"keepdims=True {END}"),
    "max_unpool": ("x indices kernel_size", f"stride=None padding=0 output_size=None {END}"),
    "unfold": ("x kernel_size", f"{FOLD} {END}"),
    "fold": ("cols output_size kernel_size", f"{FOLD} {END}"),
    "grad.max_pool": ("grad_out indices input_shape", END),
    "grad.min_pool": ("grad_out indices input_shape", END),
    "grad.adaptive_max_pool": ("grad_out indices input_shape", END),
    "grad.avg_pool": ("grad_out input_shape kernel_size", f"{AVERAGE} {END}"),
    "grad.lp_pool": ("grad_out x norm_type kernel_size", f"{WINDOWS} {END}"),
    "grad.adaptive_avg_pool": ("grad_out input_shape", END),
    "grad.global_avg_pool": ("grad_out input_shape", f"keepdims=True {END}"),
    "grad.global_max_pool": ("grad_out x", f"keepdims=True {END}"),
    "grad.max_unpool": ("grad_out indices", f"{LAYOUT} num_threads=None"),
    "grad.unfold": ("grad_out input_shape kernel_size", f"{FOLD} {LAYOUT} num_threads=None"),
    "grad.fold": ("grad_out kernel_size", f"{FOLD} {LAYOUT} num_threads=None"),
}


@every_rank
@pytest.mark.parametrize("name", FUNCTIONS)
def test_names_order_and_defaults(name: str, rank: int) -> None:
    positional, keywords = SIGNATURES[name]
    parameters = inspect.signature(function_of(name, rank)).parameters.values()

    def text(kind: Any) -> list[str]:
        return [
            p.name if p.default is p.empty else f"{p.name}={p.default!r}"
            for p in parameters
            if p.kind is kind
        ]

    assert text(inspect.Parameter.POSITIONAL_OR_KEYWORD) == positional.split()
    assert text(inspect.Parameter.KEYWORD_ONLY) == keywords.split()
    assert len(parameters) == len(positional.split()) + len(keywords.split())


def test_every_function_is_public_and_nothing_else_is() -> None:
    for prefix, module in (("", npconv), ("grad.", grad)):
        pooling = {name for name in module.__all__ if re.search("^(?!plan_).*(pool|fold)", name)}
        wanted = {n.removeprefix(prefix) for n in SIGNATURES if n.startswith("grad.") == (prefix == "grad.")}
        assert pooling == {f"{name}{rank}d" for name in wanted for rank in RANKS}
    assert set(SIGNATURES) == set(FUNCTIONS)
    assert npconv.grad is grad


@every_rank
@pytest.mark.parametrize("name", FUNCTIONS)
def test_all_forms_and_layouts_agree(name: str, rank: int) -> None:
    """Batch, no batch, a single plane; channels first and last."""
    call = right_call(name, rank)
    right = {k: v for k, v in call.right.items() if k != "out"}
    y = call.function(**right)

    def without(value: Any, axes: int) -> Any:
        """An argument without its first axes."""
        return value[(0,) * axes] if isinstance(value, np.ndarray) else value

    def shape_without(axes: int) -> dict[str, Any]:
        return {"input_shape": right["input_shape"][axes:]} if "input_shape" in right else {}

    one = {k: without(v, 1) for k, v in right.items()} | shape_without(1)
    same(call.function(**one), y[0])
    if name in ("fold", "grad.unfold"):
        return  # columns of a single plane have a channel
    single = {k: without(v, 2) for k, v in right.items()} | shape_without(2)
    for layout in LAYOUTS:
        if name == "unfold" or name == "grad.fold":
            got = call.function(**single, layout=layout)
            taps = 2**rank
            same(got if layout == "channels_first" else np.ascontiguousarray(got.T), y[0, :taps])
        else:
            same(call.function(**single, layout=layout), y[0, 0])
    last = {k: to_last(v, rank) if isinstance(v, np.ndarray) else v for k, v in right.items()}
    if "input_shape" in right:
        batch, channels, *sizes = right["input_shape"]
        last["input_shape"] = (batch, *sizes, channels)
    got = call.function(**last, layout="channels_last")
    if name in ("unfold", "grad.fold"):
        got = got.reshape(*got.shape[:2], 2**rank, 3).transpose(0, 3, 2, 1).reshape(y.shape)
        same(np.ascontiguousarray(got), y)
    else:
        same(got, to_last(y, rank))


@every_rank
@pytest.mark.parametrize("keepdims", [True, False])
def test_the_shapes_of_global_pooling(rank: int, keepdims: bool) -> None:
    x = ints((2, 3, *SPATIAL[rank]))
    ones = (1,) * rank if keepdims else ()
    for op in ("global_max_pool", "global_avg_pool"):
        pool, gradient = function_of(op, rank), function_of(f"grad.{op}", rank)
        for a, shape, layout in (
            (x, (2, 3, *ones), "channels_first"),
            (x[0], (3, *ones), "channels_first"),
            (x[0, 0], ones, "channels_first"),
            (x[0, 0], ones, "channels_last"),
            (to_last(x, rank), (2, *ones, 3), "channels_last"),
            (to_last(x[0], rank), (*ones, 3), "channels_last"),
        ):
            y = pool(a, keepdims=keepdims, layout=layout)
            assert np.shape(y) == shape
            assert y.dtype == np.float32
            given = a if "max" in op else a.shape
            assert gradient(y, given, keepdims=keepdims, layout=layout).shape == a.shape
            out = np.zeros(shape, np.float32)
            assert pool(a, keepdims=keepdims, layout=layout, out=out) is out
            np.testing.assert_array_equal(out, y)


@every_rank
def test_empty_batches_and_channels_give_empty_results(rank: int) -> None:
    for lead in ((0, 3), (2, 0), (0, 0)):
        x = np.empty((*lead, *SPATIAL[rank]), np.float32)
        for name in FUNCTIONS:
            call = right_call(name, rank)
            right = {k: v for k, v in call.right.items() if k != "out"}
            empty: dict[str, Any] = {}
            for argument, value in right.items():
                if isinstance(value, np.ndarray):
                    shape = list(value.shape)
                    shape[0] = lead[0]
                    shape[1] = lead[1] * (shape[1] // 3)
                    empty[argument] = np.empty(shape, value.dtype)
                elif argument == "input_shape":
                    empty[argument] = x.shape
                else:
                    empty[argument] = value
            y = call.function(**empty)
            assert y.size == 0
            assert y.ndim == call.function(**right).ndim
            assert y.shape[0] == lead[0]
        for layout in LAYOUTS:
            given = x if layout == "channels_first" else np.moveaxis(x, 1, -1)
            for name in ("max_pool", "min_pool"):
                pool = function_of(name, rank)
                y, indices = pool(given, 2, return_indices=True, layout=layout)
                assert (y.shape, y.dtype, indices.dtype) == (indices.shape, np.float32, np.int64)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_of_any_memory_and_byte_order(name: str) -> None:
    for dtype in FLOATS:
        call = right_call(name, 2, dtype)
        right = {k: v for k, v in call.right.items() if k != "out"}
        want = call.function(**right)
        for change in (
            misaligned,
            np.asfortranarray,
            lambda a: a.astype(a.dtype.newbyteorder()),
            lambda a: a[:, ::-1].copy()[:, ::-1],
            lambda a: np.repeat(a, 2, -1)[..., ::2],
        ):
            given = {k: change(v) if isinstance(v, np.ndarray) else v for k, v in right.items()}
            same(call.function(**given), want)
        frozen = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in right.items()}
        for value in frozen.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
        same(call.function(**frozen), want)
        for argument, value in right.items():  # nothing that is given is written to
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, frozen[argument])


@every_rank
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_strides_of_zero_along_any_axes(name: str, layout: str, rank: int) -> None:
    """np.broadcast_to of every kind, the repeated part contiguous or a part of something larger."""
    call = right_call(name, rank, "float64")
    right = {k: v for k, v in call.right.items() if k != "out"}
    if layout == "channels_last" and name not in ("fold", "grad.unfold"):
        right |= {k: to_last(v, rank) for k, v in right.items() if isinstance(v, np.ndarray)}
        right["layout"] = layout
        if "input_shape" in right:
            batch, channels, *sizes = right["input_shape"]
            right["input_shape"] = (batch, *sizes, channels)
    for argument, value in right.items():
        if not isinstance(value, np.ndarray):
            continue
        for kept in itertools.product((slice(None), slice(1)), repeat=value.ndim):
            some = value[kept]
            want = call.function(**right | {argument: np.broadcast_to(some, value.shape).copy()})
            for part in (some, some.copy(), some[::-1].copy()[::-1]):
                y = call.function(**right | {argument: np.broadcast_to(part, value.shape)})
                np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-12, err_msg=f"{argument}, {kept}")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_lists_and_numpy_integers(name: str) -> None:
    call = right_call(name, 2, "float64")
    right = {k: v for k, v in call.right.items() if k != "out"}
    other: dict[str, Any] = {}
    for argument, value in right.items():
        if isinstance(value, np.ndarray):
            other[argument] = value.tolist()
        elif isinstance(value, tuple):
            other[argument] = [np.int16(v) for v in value]
        else:
            other[argument] = np.uint8(value)
    same(call.function(**other), call.function(**right))


def test_norms_may_be_any_real_number() -> None:
    x = ints((1, 2, 6, 6))
    want = npconv.lp_pool2d(x, 2, 2)
    for two in (2.0, np.float32(2), np.int8(2), Fraction(2), np.float64(2)):
        same(npconv.lp_pool2d(x, two, 2), want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_maxima_and_minima_keep_the_dtype_in_native_order(dtype: str) -> None:
    x = np.arange(24).reshape(1, 2, 3, 4).astype(dtype)
    for a in (x, x.astype(x.dtype.newbyteorder()), x.tolist() if dtype in ("int64", "float64") else x):
        for y in (
            npconv.max_pool2d(a, 2),
            npconv.min_pool2d(a, 2),
            npconv.adaptive_max_pool2d(a, 2),
            npconv.global_max_pool2d(a),
            npconv.max_unpool2d(a, np.zeros((1, 2, 3, 4), np.int64), 1),
        ):
            assert isinstance(y, np.ndarray)
            assert y.dtype == np.dtype(dtype)
            assert y.dtype.isnative
    for y in (npconv.max_pool2d(x.astype(np.longlong), 2), npconv.max_pool2d(x.astype(np.intc), 2)):
        assert y.dtype in (np.int64, np.int32)


def test_results_are_new_arrays_of_c_order() -> None:
    for name in FUNCTIONS:
        call = right_call(name, 2)
        right = {k: v for k, v in call.right.items() if k != "out"}
        y = call.function(**right)
        assert y.flags.c_contiguous, name
        assert y.flags.writeable, name
        assert not any(np.shares_memory(y, v) for v in right.values() if isinstance(v, np.ndarray)), name


def test_named_paddings_keep_the_size_whatever_ceil_mode_says() -> None:
    x = ints((1, 1, 11, 13))
    for padding in ("same", "same_lower", "causal"):
        for stride in (1, 2, 3, 5):
            for pool in (npconv.max_pool2d, npconv.min_pool2d, npconv.avg_pool2d):
                y = [pool(x, 3, stride=stride, padding=padding, ceil_mode=c) for c in (False, True)]
                same(*y)
                assert y[0].shape == (1, 1, -(-11 // stride), -(-13 // stride))


def test_a_warning_is_never_given_where_an_average_counts_nothing(isa: str) -> None:
    """0 / 0 is NaN, silently."""
    x = np.ones((1, 1, 1), np.float32)
    how: Any = {"stride": 1, "padding": ((1, 2),), "dilation": 3, "count_include_pad": False}
    with np.errstate(all="raise"):
        assert np.isnan(npconv.avg_pool1d(x, 2, **how)).all()


def test_public_functions_pass_their_arguments_on_in_order() -> None:
    """Each private function takes rank, then what the public one takes; none is called by another name."""
    for name in SIGNATURES:
        base = name.replace("grad.", "grad_")
        if base in ("grad_min_pool", "grad_adaptive_max_pool", "grad_unfold", "grad_fold"):
            continue
        assert callable(getattr(_core, base)), base


def test_adaptive_sizes_of_none_keep_the_axis() -> None:
    x = ints((2, 3, 7, 5))
    for pool in (npconv.adaptive_avg_pool2d, npconv.adaptive_max_pool2d):
        same(pool(x, (None, 2)), pool(x, (7, 2)))
        same(pool(x, [3, None]), pool(x, (3, 5)))
        same(pool(x, (None, None)), x)
        same(pool(x, (7, 5)), x)
