# SPDX-License-Identifier: BSD-3-Clause
"""The rules on the arguments beside shapes: bias, residual, activation, algorithm, dtypes, out; signatures.

One test a rule, whose name says it.
"""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import cases
import npconv
import numpy as np
import pytest
import reference
from npconv import _core
from rules import CONV, KERNEL, RANKS, SPATIAL, canary, ints, misaligned, oracle, problem, same, to_last

every_rank = pytest.mark.parametrize("rank", RANKS)
every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])

# ---- signatures --------------------------------------------------------------------------------------------

CONV_KEYWORDS = """stride=1 padding=0 dilation=1 groups=1 padding_mode='zeros' flip=False
    layout='channels_first' activation=None residual=None algorithm='auto' out=None num_threads=None"""
SIGNATURES: dict[str, tuple[Any, str, str]] = {
    "conv1d": (npconv.conv1d, "x w bias=None", CONV_KEYWORDS),
    "conv2d": (npconv.conv2d, "x w bias=None", CONV_KEYWORDS),
    "conv3d": (npconv.conv3d, "x w bias=None", CONV_KEYWORDS),
    "plan_conv": (
        npconv.plan_conv,
        "x_shape w bias=None",
        """stride=1 padding=0 dilation=1 groups=1 padding_mode='zeros' flip=False layout='channels_first'
        activation=None algorithm='auto' num_threads=None""",
    ),
    "plan()": (npconv.ConvPlan.__call__, "self x", "residual=None out=None"),
    "plan.for_shape": (npconv.ConvPlan.for_shape, "self x_shape", ""),
    "plan.update_weights": (npconv.ConvPlan.update_weights, "self w bias=None", ""),
    "plan.explain": (npconv.ConvPlan.explain, "self", ""),
    "set_num_threads": (npconv.set_num_threads, "n", ""),
    "get_num_threads": (npconv.get_num_threads, "", ""),
    "num_threads": (npconv.num_threads, "n", ""),
    "show_config": (npconv.show_config, "mode='print'", ""),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_names_order_and_defaults_are_those_of_the_design(name: str) -> None:
    function, positional, keywords = SIGNATURES[name]
    parameters = inspect.signature(function).parameters.values()

    def text(kind: Any) -> list[str]:
        return [
            p.name if p.default is p.empty else f"{p.name}={p.default!r}"
            for p in parameters
            if p.kind is kind
        ]

    assert text(inspect.Parameter.POSITIONAL_OR_KEYWORD) == positional.split()
    assert text(inspect.Parameter.KEYWORD_ONLY) == keywords.split()
    assert len(parameters) == len(positional.split()) + len(keywords.split())


@every_rank
def test_what_stands_after_bias_must_be_named(rank: int) -> None:
    x, w, bias = problem(rank)
    plan = npconv.plan_conv(x.shape, w)
    for call in (
        lambda: CONV[rank](x, w, bias, 1),
        lambda: npconv.plan_conv(x.shape, w, bias, 1),
        lambda: plan(x, None),
    ):
        with pytest.raises(TypeError, match="positional argument"):
            call()


@every_rank
def test_x_w_and_bias_may_be_named(rank: int) -> None:
    x, w, bias = problem(rank)
    same(CONV[rank](bias=bias, w=w, x=x), CONV[rank](x, w, bias))
    same(npconv.plan_conv(w=w, x_shape=x.shape, bias=bias)(x=x), CONV[rank](x, w, bias))


# ---- bias, residual, activation, algorithm -----------------------------------------------------------------


@every_rank
def test_bias_is_added_to_its_output_channel(rank: int) -> None:
    x, w, bias = problem(rank)
    column = bias.reshape(-1, *[1] * rank)
    same(CONV[rank](x, w, bias), CONV[rank](x, w) + column)
    same(
        CONV[rank](to_last(x, rank), w, bias, layout="channels_last"),
        to_last(CONV[rank](x, w) + column, rank),
    )


@every_rank
def test_residual_is_added_before_the_activation(rank: int) -> None:
    x, w, bias = problem(rank)
    plain = CONV[rank](x, w, bias)
    residual = ints(plain.shape, seed=9) * 10
    same(CONV[rank](x, w, bias, residual=residual, activation="relu"), np.maximum(plain + residual, 0))


def test_activations_by_hand() -> None:
    x = np.array([-4.0, -1.0, 0.0, 2.0, 7.0])
    for activation, want in {
        None: x,
        "relu": [0, 0, 0, 2, 7],
        "relu6": [0, 0, 0, 2, 6],
        "leaky_relu": [-0.04, -0.01, 0, 2, 7],
        ("leaky_relu", 0.5): [-2, -0.5, 0, 2, 7],
        ("clip", -2, 3.5): [-2, -1, 0, 2, 3.5],
        "sigmoid": 1 / (1 + np.exp(-x)),
        "tanh": np.tanh(x),
        "silu": x / (1 + np.exp(-x)),
        "hardswish": [0, -1 / 3, 0, 5 / 3, 7],
        "gelu": [-1.2668496e-4, -0.15865525, 0, 1.95449974, 7],
        "gelu_tanh": [-7.024595e-5, -0.15880801, 0, 1.95459769, 7],
    }.items():
        y = npconv.conv1d(x, np.ones(1), activation=activation)
        np.testing.assert_allclose(y, want, rtol=1e-5, err_msg=str(activation))


@every_dtype
@pytest.mark.parametrize("activation", cases.INEXACT_ACTIVATIONS + cases.EXACT_ACTIVATIONS, ids=str)
def test_activations_are_within_4_ulp(activation: Any, dtype: str) -> None:
    x = np.concatenate([np.linspace(-12, 12, 4001), np.logspace(-30, 30, 401), -np.logspace(-30, 2, 401)])
    x = x.astype(dtype)
    y = npconv.conv1d(x, np.ones(1, dtype), activation=activation)
    case = cases.Case(x.shape, (1,), single=True, activation=activation)
    want = reference.activate(x.astype(np.float64), activation)
    assert cases.difference(y, cases.Solution(want, None), case) is None


@every_dtype
@pytest.mark.parametrize("activation", cases.INEXACT_ACTIVATIONS + cases.EXACT_ACTIVATIONS, ids=str)
def test_activations_keep_nan_and_take_infinity_to_their_limit(activation: Any, dtype: str) -> None:
    x = np.array([np.nan, np.inf, -np.inf] * 7, dtype)
    for algorithm in ("gemm", "naive"):
        y = npconv.conv1d(x, np.ones(1, dtype), activation=activation, algorithm=algorithm)
        np.testing.assert_array_equal(y, reference.activate(x, activation).astype(dtype))
        if activation in ("silu", "hardswish", "gelu", "gelu_tanh"):
            np.testing.assert_array_equal(y[:3], [np.nan, np.inf, 0])


def test_an_activation_may_be_a_list_and_its_numbers_any_real_scalar() -> None:
    x = np.array([-4.0, 8.0], np.float32)
    for slope in (0.5, np.float64(0.5), np.float32(0.5), np.float16(0.5)):
        y = npconv.conv1d(x, np.ones(1, np.float32), activation=["leaky_relu", slope])
        np.testing.assert_array_equal(y, [-2, 8])
    for low in (1, np.int8(1), np.float32(1)):
        y = npconv.conv1d(x, np.ones(1, np.float32), activation=("clip", low, np.inf))
        np.testing.assert_array_equal(y, [1, 8])


@every_rank
@pytest.mark.parametrize("algorithm", ["auto", "measure", "gemm", "naive"])
def test_every_algorithm_gives_the_result(rank: int, algorithm: str) -> None:
    x, w, bias = problem(rank)
    same(CONV[rank](x, w, bias, padding=1, algorithm=algorithm), oracle(rank, x, w, bias, padding=1))


def test_an_algorithm_by_name_is_the_one_that_runs() -> None:
    x, w, _ = problem(2)
    w = np.resize(w, (4, 3, 3, 3))
    isa = _core._isa()
    expected = {
        "gemm": {isa},
        "winograd": {isa, "winograd"},
        "winograd_f2": {isa, "winograd"},
        "naive": {"naive"},
    }
    for algorithm, names in expected.items():
        before = _core._kernel_runs()
        npconv.conv2d(x, w, algorithm=algorithm)
        assert {k for k, n in _core._kernel_runs().items() if n > before[k]} == names


@every_rank
def test_num_threads_does_not_change_the_result(rank: int) -> None:
    x, w, bias = (a.astype(np.float32) for a in problem(rank, batch=3, cin=40, cout=70))
    x *= np.float32(0.1)
    want = CONV[rank](x, w, bias, num_threads=1)
    for n in (2, 3, 7, np.int64(5), None):
        same(CONV[rank](x, w, bias, num_threads=n), want)


# ---- dtypes and memory of the inputs -----------------------------------------------------------------------


@every_rank
@every_dtype
def test_the_result_has_the_dtype_of_the_arguments(rank: int, dtype: str) -> None:
    x, w, bias = problem(rank, dtype)
    y = CONV[rank](x, w, bias)
    assert y.dtype == dtype
    assert y.flags.c_contiguous
    assert y.flags.owndata
    assert y.flags.writeable
    same(y, oracle(rank, x, w, bias))


def fields(a: Any, *before: str) -> Any:
    """`a` as a field of a structured array: strides that are no multiple of the itemsize."""
    record = np.zeros(a.shape, [(name, name) for name in before] + [("a", a.dtype)])
    record["a"] = a
    return record["a"]


class Subclass(np.ndarray):
    pass


class HasArray:
    def __init__(self, a: Any) -> None:
        self.a = a

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.a


def read_only(a: Any) -> Any:
    b = a.copy()
    b.flags.writeable = False
    return b


MEMORY = {
    "negative strides": lambda a: np.flip(np.flip(a).copy()),
    "Fortran order": np.asfortranarray,
    "gaps": lambda a: np.repeat(a, 3, -1)[..., ::3],
    "gaps between the first axis": lambda a: np.repeat(a, 2, 0)[1::2],
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "misaligned": misaligned,
    "field after one byte": lambda a: fields(a, "u1"),
    "field after two bytes": lambda a: fields(a, "u2"),
    "field after four bytes": lambda a: fields(a, "u4"),
    "read-only": read_only,
    "ndarray subclass": lambda a: a.view(Subclass),
    "object with __array__": HasArray,
    "memoryview": memoryview,
}


@every_dtype
@pytest.mark.parametrize("memory", MEMORY)
def test_inputs_may_have_any_strides_byte_order_and_alignment(memory: str, dtype: str) -> None:
    change = MEMORY[memory]
    x, w, bias = problem(2, dtype)
    want = oracle(2, x, w, bias, padding=1)
    residual = ints(want.shape, dtype, 5)
    inputs = {"x": x, "w": w, "bias": bias, "residual": residual}
    for name in inputs:
        y = npconv.conv2d(**inputs | {name: change(inputs[name])}, padding=1)
        same(y, want + residual)
    changed = {name: change(a) for name, a in inputs.items()}
    same(npconv.conv2d(**changed, padding=1), want + residual)
    plan = npconv.plan_conv(x.shape, changed["w"], changed["bias"], padding=1)
    same(plan(changed["x"], residual=changed["residual"]), want + residual)


@every_dtype
def test_inputs_may_have_strides_of_zero(dtype: str) -> None:
    ones = np.ones((1, 1, 1, 1), dtype)
    x, w = np.broadcast_to(ones * 3, (2, 5, 6, 7)), np.broadcast_to(ones * 2, (4, 5, 3, 3))
    bias, residual = np.broadcast_to(ones[0, 0, 0], (4,)), np.broadcast_to(ones * 7, (2, 4, 4, 5))
    same(npconv.conv2d(x, w, bias, residual=residual), np.full((2, 4, 4, 5), 5 * 9 * 6 + 8, dtype))


def test_array_likes_are_taken_as_np_asarray_takes_them() -> None:
    y = npconv.conv1d([1.0, 2.0, 3.0], [1.0, -1.0], [10.0], residual=[100.0, 200.0])
    same(y, np.array([109.0, 209.0]))


@every_rank
def test_x_and_w_may_be_the_same_array(rank: int) -> None:
    x = ints((3, 3, *[3] * rank))
    same(CONV[rank](x, x, padding=1), oracle(rank, x, x.copy(), padding=1))


@every_rank
def test_inputs_are_left_as_they_were(rank: int) -> None:
    x, w, bias = problem(rank)
    residual = ints(CONV[rank](x, w).shape)
    before = [a.tobytes() for a in (x, w, bias, residual)]
    CONV[rank](x, w, bias, residual=residual, activation="gelu")
    assert [a.tobytes() for a in (x, w, bias, residual)] == before


# ---- out ---------------------------------------------------------------------------------------------------


@every_rank
@every_dtype
def test_out_is_filled_and_returned(rank: int, dtype: str) -> None:
    x, w, bias = problem(rank, dtype)
    want = oracle(rank, x, w, bias)
    for out in (np.full_like(want, np.nan), np.full_like(want, np.nan).view(Subclass)):
        assert CONV[rank](x, w, bias, out=out) is out
        same(np.asarray(out), want)
    unbatched = np.full_like(want[0], np.nan)
    assert CONV[rank](x[0], w, bias, out=unbatched) is unbatched
    same(unbatched, want[0])
    single = np.full(SPATIAL[rank], np.nan, dtype)
    assert CONV[rank](x[0, 0], w[0, 0], padding="same", out=single) is single
    same(single, oracle(rank, x[0, 0], w[0, 0], padding="same"))


@every_rank
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_out_may_have_gaps_between_its_images_which_stay_untouched(rank: int, layout: str) -> None:
    x, w, bias = problem(rank, batch=3)
    want = oracle(rank, x, w, bias)
    if layout == "channels_last":
        x, want = to_last(x, rank), to_last(want, rank)
    frame = canary((7, *want.shape[1:]))
    before = frame.copy()
    out = frame[1:6:2]
    assert CONV[rank](x, w, bias, layout=layout, out=out) is out
    same(frame[1:6:2].copy(), want)
    assert frame[::2].tobytes() == before[::2].tobytes()


@every_rank
def test_out_may_have_a_negative_batch_stride(rank: int) -> None:
    x, w, bias = problem(rank, batch=3)
    want = oracle(rank, x, w, bias)
    for step in (-1, -2):
        frame = np.full((6, *want.shape[1:]), np.nan, np.float32)
        out = frame[-1::step][:3]
        assert CONV[rank](x, w, bias, out=out) is out
        same(out.copy(), want)


def test_strides_of_axes_of_one_element_do_not_matter_in_out() -> None:
    x, w = ints((1, 3, 5, 1)), ints((1, 3, 2, 1))
    memory = np.full(4, np.nan, np.float32)
    out = np.lib.stride_tricks.as_strided(memory, (1, 1, 4, 1), (3, 7, 4, 1000), writeable=True)
    assert npconv.conv2d(x, w, out=out) is out
    same(out.copy(), oracle(2, x, w))


@every_rank
def test_out_may_be_the_residual_itself(rank: int) -> None:
    x, w, bias = problem(rank)
    want = oracle(rank, x, w, bias)
    residual = ints(want.shape, seed=8)
    for alias in (lambda a: a, lambda a: a.view(), lambda a: a[::-1][::-1]):
        out = residual.copy()
        assert CONV[rank](x, w, bias, residual=alias(out), out=out, activation="relu") is out
        same(out, np.maximum(want + residual, 0))


def test_out_may_lie_between_elements_of_x_that_it_does_not_share() -> None:
    """Its images and those of x take turns in memory: the extents overlap, the elements do not."""
    frame = ints((6, 2, 5, 5))
    x, out, w = frame[::2], frame[1::2], ints((2, 2, 3, 3), seed=1)
    want = oracle(2, x.copy(), w, padding=1)
    assert npconv.conv2d(x, w, padding=1, out=out) is out
    same(out.copy(), want)


@every_rank
def test_an_empty_out_is_returned(rank: int) -> None:
    x, w, bias = problem(rank)
    out = np.empty((0, 4, *[n - k + 1 for n, k in zip(SPATIAL[rank], KERNEL[rank], strict=True)]), x.dtype)
    assert CONV[rank](x[:0], w, bias, out=out) is out


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_a_residual_may_repeat_along_any_axes(layout: str) -> None:
    x = ints((2, 3, 4, 5) if layout == "channels_first" else (2, 4, 5, 3))
    w = np.ones((1, 3, 1, 1), np.float32)
    plain = npconv.conv2d(x, w, layout=layout)
    for repeated in itertools.product((False, True), repeat=4):
        part = ints(tuple(1 if r else n for r, n in zip(repeated, plain.shape, strict=True)), seed=1)
        residual = np.broadcast_to(part, plain.shape)
        same(npconv.conv2d(x, w, residual=residual, layout=layout), plain + residual)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_results_begin_with_a_cache_line(dtype: type) -> None:
    """Vectors that cross lines cost up to a fifth of the time. Small results come from NumPy as they are."""
    w = np.ones((8, 2, 1, 1), dtype)
    plan = npconv.plan_conv((None, 2, 30, 37), w)
    x = np.ones((3, 2, 30, 37), dtype)
    kept = []
    for _ in range(20):
        for y in (plan(x), npconv.conv2d(x, w)):
            assert y.ctypes.data % 64 == 0
            assert y.flags.c_contiguous
            assert y.flags.writeable
            assert type(y) is np.ndarray
            assert (y == 2).all()
            kept.append(y)
    assert plan(x[:0]).shape == (0, 8, 30, 37)
    assert npconv.conv2d(x[:, :, :1, :1], w).base is None
