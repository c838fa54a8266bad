# SPDX-License-Identifier: BSD-3-Clause
"""Wrong calls of conv{N}d, plan_conv and plans: the right error, and an `out` that stays as it was.

Tables of (argument, value, error, what the message says). A message names the argument, shows the value and
tells what was expected.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import npconv
import numpy as np
import pytest
from rules import CONV, KERNEL, RANKS, SPATIAL, canary, ints, misaligned, problem, same

every_rank = pytest.mark.parametrize("rank", RANKS)
NAN, BIG = float("nan"), 2**63


class Wrong(NamedTuple):
    argument: str
    value: Any
    error: type[Exception]
    expected: str  # a regular expression; {N} is the number of spatial axes
    shown: str | None = None  # repr(value) unless told otherwise

    def __str__(self) -> str:
        text = self.value if isinstance(self.value, str) else repr(self.value)
        return f"{self.argument}={text[:30]}"

    def refused(self, rank: int, call: Any) -> None:
        """Fail unless `call` raises the right error with the right message."""
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        message = str(caught.value)
        assert caught.type is self.error, f"{caught.type.__name__}: {message}"
        assert re.search(self.expected.replace("{N}", str(rank)), message), message
        assert self.argument in message
        shown = repr(self.value) if self.shown is None else self.shown
        assert shown.replace("\n", " ")[:60] in message, message


class Indexes:
    """An object whose __index__ does what it is told."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def __index__(self) -> Any:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


# ---- ints, names, flags, activations -----------------------------------------------------------------------

NOT_INTS = [
    (v, TypeError)
    for v in (1.0, 0.5, NAN, True, np.True_, None, "1", b"1", 1j, {}, {1}, range(2), np.float32(1), object)
] + [(v, TypeError) for v in (np.array(1), np.array([1.0]), np.array([True]), np.ones((2, 2)))]
NOT_INTS += [(np.ma.array([1, 1, 1]), TypeError), (np.ones((1, 1, 1), int), TypeError)]
ARRAYS = (np.array([], int), np.ones(4, np.int8), np.ones(10**6, int), np.broadcast_to(1, 2**40))
TUPLE = r"must be an int or a tuple of {N} ints?,"
NUMBERS: list[Wrong] = []
for name in ("stride", "dilation"):
    NUMBERS += [Wrong(name, v, error, TUPLE) for v, error in NOT_INTS]
    NUMBERS += [Wrong(name, v, ValueError, "must be at least 1") for v in (0, -1, -(2**62), -BIG)]
    NUMBERS += [Wrong(name, v, ValueError, "64 bits") for v in (BIG, 2**64, -BIG - 1, 10**30)]
    NUMBERS += [Wrong(name, v, ValueError, TUPLE) for v in ((), (1,) * 4, [1] * 5, *ARRAYS)]
    NUMBERS += [Wrong(name, v, TypeError, TUPLE) for v in (np.ones((1, 1), int), np.array([None]))]
NUMBERS += [
    Wrong("dilation", BIG - 1, ValueError, "64 bits"),
    *[Wrong("groups", v, error, "must be an int,") for v, error in NOT_INTS],
    *[Wrong("groups", v, TypeError, "must be an int,") for v in ((1,), [1], (), np.array([1]))],
    *[Wrong("groups", v, ValueError, "must be at least 1") for v in (0, -1, -BIG)],
    *[Wrong("groups", v, ValueError, "64 bits") for v in (BIG - 1, BIG, 2**64)],
    *[
        Wrong("groups", v, ValueError, r"x(_shape)? has 3 channels with layout=.*, but w takes 3 .*groups=")
        for v in (2, 3)
    ],
    *[Wrong("num_threads", v, error, "must be None or an int") for v, error in NOT_INTS if v is not None],
    *[Wrong("num_threads", v, ValueError, "must be from 1 to 1024") for v in (0, -1, 1025, BIG - 1)],
    *[Wrong("num_threads", v, ValueError, "64 bits") for v in (BIG, -(2**64))],
]
PADDINGS = (
    r"must be an int, a tuple of {N} ints?, a tuple of {N} \(before, after\) pairs?, or one of "
    r'"valid", "full", "same", "same_lower", "causal"'
)
NUMBERS += [
    *[Wrong("padding", v, error, PADDINGS) for v, error in NOT_INTS if not isinstance(v, str)],
    *[Wrong("padding", v, ValueError, r'"valid", .*"causal"') for v in ("1", "", "SAME", "same ", "reflect")],
    *[Wrong("padding", v, ValueError, "must be at least 0") for v in (-1, -(2**62), -BIG)],
    *[Wrong("padding", v, ValueError, "64 bits") for v in (2**62, BIG - 1, BIG, 2**64)],
    *[Wrong("padding", v, ValueError, PADDINGS) for v in ((), (1,) * 4, [[1, 1]] * 4, *ARRAYS)],
    *[Wrong("padding", v, ValueError, PADDINGS) for v in (np.ones((2, 3), int), np.ones((9, 10**5), int))],
]
NAMES = [
    *[
        Wrong("padding_mode", v, ValueError, '"zeros", "reflect", "replicate", "circular"')
        for v in ("", "edge")
    ],
    *[
        Wrong("padding_mode", v, TypeError, '"zeros", "reflect"')
        for v in (None, 0, b"zeros", ("zeros",), NAN)
    ],
    *[Wrong("layout", v, ValueError, '"channels_first", "channels_last"') for v in ("", "NCHW")],
    *[Wrong("layout", v, TypeError, '"channels_first", "channels_last"') for v in (None, 0, b"NCHW", [])],
    *[
        Wrong(
            "algorithm",
            v,
            ValueError,
            '"auto", "measure", "gemm", "depthwise", "direct", "winograd", "winograd_f2", "winograd_f6", '
            '"naive"',
            v,
        )
        for v in ("", "GEMM", "fft")
    ],
    *[Wrong("algorithm", v, ValueError, '"auto", "measure", "gemm"', "") for v in ("\ud800", "gemm\0x")],
    *[Wrong("algorithm", v, TypeError, "str") for v in (None, 1, b"gemm", ["gemm"])],
    *[Wrong("flip", v, TypeError, "bool") for v in (None, 0, 1, "yes", NAN, [True], np.array(True))],
]
KNOWN = (
    '"relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "hardswish", "gelu", "gelu_tanh", '
    r'\("leaky_relu", slope\) or \("clip", low, high\)'
)
OF_CLIP, FINITE = r"limits? of clip", "slope of leaky_relu must be finite"
ACTIVATIONS = [
    *[Wrong("activation", v, ValueError, KNOWN) for v in ("", "ReLU", "clip", "softmax", "relu\0", "\ud800")],
    *[Wrong("activation", v, TypeError, KNOWN) for v in (0, 1.0, True, b"relu", np.array("relu"), len, {})],
    *[Wrong("activation", v, TypeError, KNOWN) for v in ((), [], (None,), (1, 2), (("relu",),))],
    *[Wrong("activation", (v,), ValueError, KNOWN) for v in ("relu", "leaky_relu", "clip", "x", "\ud800")],
    *[Wrong("activation", v, ValueError, KNOWN) for v in (("relu", 1), ("leaky_relu", 1, 2), ("clip", 1))],
    *[
        Wrong("activation", ("clip", *v), ValueError, OF_CLIP)
        for v in ((2, 1), (NAN, 1), (0, NAN), (NAN, NAN))
    ],
    *[Wrong("activation", ("leaky_relu", v), ValueError, FINITE) for v in (np.inf, -np.inf, NAN)],
    Wrong("activation", ("leaky_relu", 10**400), ValueError, "slope of leaky_relu", ""),
    Wrong("activation", ("clip", -(10**400), 0), ValueError, OF_CLIP, ""),
    *[
        Wrong("activation", ("leaky_relu", v), TypeError, "slope of leaky_relu must be a number", repr(v))
        for v in ("1", None, True, np.True_, 1j, [1], np.ones(1), np.ones(2), np.array("a"), object)
    ],
    *[
        Wrong("activation", ("clip", *v), TypeError, OF_CLIP + " must be a number", "None")
        for v in ((None, 1), (0, None))
    ],
]
KEYWORDS = NUMBERS + NAMES + ACTIVATIONS


def output_size(rank: int) -> tuple[int, ...]:
    return tuple(n - k + 1 for n, k in zip(SPATIAL[rank], KERNEL[rank], strict=True))


@every_rank
@pytest.mark.parametrize("wrong", KEYWORDS, ids=str)
def test_wrong_keyword(rank: int, wrong: Wrong) -> None:
    x, w, bias = problem(rank)
    out = canary((2, 4, *output_size(rank)))
    before = out.tobytes()
    keyword = {wrong.argument: wrong.value}
    wrong.refused(rank, lambda: CONV[rank](x, w, bias, out=out, **keyword))
    assert out.tobytes() == before
    wrong.refused(
        rank, lambda: CONV[rank](x[:0], w, bias, **keyword)
    )  # no less wrong where nothing is computed
    wrong.refused(rank, lambda: npconv.plan_conv(x.shape, w, bias, **keyword))


@every_rank
@pytest.mark.parametrize("name", ["stride", "dilation", "padding"])
def test_wrong_entry_of_a_tuple(rank: int, name: str) -> None:
    x, w, _ = problem(rank)
    for entry, error, expected in (
        (1.0, TypeError, "int"),
        (None, TypeError, "int"),
        (True, TypeError, "int"),
        (np.array(1), TypeError, "int"),
        (-1, ValueError, "at least"),
        (2**70, ValueError, "64 bits"),
    ):
        for place in range(rank):
            value: list[Any] = [1] * rank
            value[place] = entry
            wrong = Wrong(name, value, error, expected, repr(entry))
            for given in (value, tuple(value)):
                wrong.refused(rank, lambda given=given: CONV[rank](x, w, **{name: given}))
    for length in {0, 1, 2, 3, 4} - {rank}:
        value = [1] * length
        Wrong(name, value, ValueError, r"tuple of {N} ints?").refused(
            rank,
            lambda value=value: CONV[rank](x, w, **{name: value}),
        )


@every_rank
def test_wrong_padding_pairs(rank: int) -> None:
    x, w, _ = problem(rank)
    pair = (1, 1)
    for value, error in (
        ([(1,)] * rank, ValueError),
        ([()] * rank, ValueError),
        ([(1, 1, 1)] * rank, ValueError),
        ([pair] * (rank + 1), ValueError),
        ([(1, 1.0)] * rank, TypeError),
        ([(None, 1)] * rank, TypeError),
        ([(True, 1)] * rank, TypeError),
        ([(pair, pair)] * rank, TypeError),
        ([np.array([1, 1, 1])] * rank, ValueError),
        ([np.array([1.0, 1.0])] * rank, TypeError),
        (["same"] * rank, TypeError),
        ([{1: 1, 2: 2}] * rank, TypeError),
        (np.ones((rank, 2)), TypeError),
        (np.ones((rank, 2), bool), TypeError),
        (np.ones((rank, 1), int), ValueError),
        (np.ones((rank, 2, 1), int), TypeError),
    ):
        Wrong("padding", value, error, PADDINGS).refused(
            rank,
            lambda value=value: CONV[rank](x, w, padding=value),
        )
    Wrong("padding", [(0, -1)] * rank, ValueError, "at least 0", "-1").refused(
        rank, lambda: CONV[rank](x, w, padding=[(0, -1)] * rank)
    )
    for mixed in ([pair] + [1] * (rank - 1), [1] * (rank - 1) + [pair]):
        if rank > 1:
            with pytest.raises((TypeError, ValueError), match="padding must be"):
                CONV[rank](x, w, padding=mixed)
    for huge in ([(2**63 - 1, 0)] * rank, [(0, 2**63 - 1)] * rank, [(2**62, 2**62)] * rank):
        Wrong("padding", huge, ValueError, "64 bits", str(huge[0][1] or huge[0][0])).refused(
            rank, lambda huge=huge: CONV[rank](x, w, padding=huge)
        )


def test_one_1d_pair_without_its_own_tuple_is_told_how_it_is_written() -> None:
    with pytest.raises(ValueError, match=r"padding .*got \(1, 2\).*\(\(before, after\),\)"):
        npconv.conv1d(np.ones(5), np.ones(2), padding=(1, 2))


@pytest.mark.parametrize("name", ["stride", "dilation", "padding", "groups", "num_threads"])
def test_an_error_of_the_callers_own_index_passes_through(name: str) -> None:
    x, w, _ = problem(2)
    with pytest.raises(KeyError, match="mine"):
        npconv.conv2d(x, w, **{name: Indexes(KeyError("mine"))})
    with pytest.raises(TypeError, match="non-int"):
        npconv.conv2d(x, w, **{name: Indexes(1.5)})
    with pytest.raises(ValueError, match=rf"{name} must fit in 64 bits, got <.*Indexes object"):
        npconv.conv2d(x, w, **{name: Indexes(2**70)})


def test_the_shown_value_may_be_any_text() -> None:
    """Long ones are cut, between characters; what cannot be encoded is escaped."""

    class Shown:
        def __init__(self, text: Any) -> None:
            self.text = text

        def __repr__(self) -> Any:
            return self.text

    x, w, _ = problem(2)
    for shift in range(4):
        for letter in ("a", "ü", "語", "😀", "\n"):
            with pytest.raises(TypeError, match="stride must be an int") as caught:
                npconv.conv2d(x, w, stride=Shown("a" * shift + letter * 3000))
            assert len(str(caught.value)) < 300
            assert "\n" not in str(caught.value)
    for text in ("", "\ud800", "nul\0nul", "%s {} \\", None):  # the last is no text: repr() raises
        with pytest.raises(TypeError, match="stride must be an int"):
            npconv.conv2d(x, w, stride=Shown(text))
    with pytest.raises(ValueError, match="stride must fit in 64 bits"):
        npconv.conv2d(x, w, stride=10**5000)  # beyond the digits that Python is willing to print


def test_channels_must_match_the_weights_and_groups() -> None:
    x = ints((2, 6, 7, 8))
    for w_shape, groups, message in (
        (
            (4, 5, 3, 3),
            1,
            "x(_shape)? has 6 channels with layout=.*, but w takes 5 .*groups=1, expected 5",
        ),
        (
            (4, 6, 3, 3),
            2,
            "x(_shape)? has 6 channels with layout=.*, but w takes 6 .*groups=2, expected 12",
        ),
        (
            (4, 2, 3, 3),
            2,
            "x(_shape)? has 6 channels with layout=.*, but w takes 2 .*groups=2, expected 4",
        ),
        ((4, 2, 3, 3), 3, "groups must divide the output channels, got groups=3 and 4 output channels"),
        ((0, 5, 3, 3), 1, "x(_shape)? has 6 channels with layout=.*, but w takes 5"),
        ((4, 0, 3, 3), 1, "x(_shape)? has 6 channels with layout=.*, but w takes 0"),
    ):
        for layout in ("channels_first", "channels_last"):
            xs = x if layout == "channels_first" else np.moveaxis(x, 1, -1)
            with pytest.raises(ValueError, match=message):
                npconv.conv2d(xs, np.ones(w_shape, np.float32), groups=groups, layout=layout)
            with pytest.raises(ValueError, match=message):
                npconv.plan_conv(xs.shape, np.ones(w_shape, np.float32), groups=groups, layout=layout)
    with pytest.raises(ValueError, match="groups=2"):
        npconv.conv1d(np.ones(5), np.ones(2), groups=2)


@every_rank
def test_the_kernel_must_not_be_larger_than_the_padded_input(rank: int) -> None:
    x = ints((1, 1, *SPATIAL[rank]))
    for axis in range(rank):
        size = SPATIAL[rank][axis]
        kernel = [1] * rank
        kernel[axis] = size + 3
        w = np.ones((1, 1, *kernel), np.float32)
        message = rf"kernel must not be larger than the padded input, got kernel {size + 3} for .*axis {axis}"
        for padding in (0, "valid", 1, [(2, 0)] * rank):
            with pytest.raises(ValueError, match=message):
                CONV[rank](x, w, padding=padding)
            with pytest.raises(ValueError, match=message):
                npconv.plan_conv(x.shape, w, padding=padding)
        assert CONV[rank](x, w, padding=[(3, 0)] * rank).shape[2 + axis] == 1
        kernel[axis] = 2
        with pytest.raises(ValueError, match=rf"kernel 2 with dilation {size} \({size + 1} elements\)"):
            CONV[rank](x, np.ones((1, 1, *kernel), np.float32), dilation=size)
        empty = np.delete(x, range(size), 2 + axis)
        with pytest.raises(ValueError, match="kernel must not be larger than the padded input"):
            CONV[rank](empty, np.ones((1, 1, *[1] * rank), np.float32))


@every_rank
def test_kernel_axes_must_not_be_empty(rank: int) -> None:
    x = ints((2, 3, *SPATIAL[rank]))
    for padding in (0, 1, "same", "full"):
        with pytest.raises(ValueError, match=r"spatial axes of w\) must be at least 1 .*got \(0"):
            CONV[rank](x, np.ones((4, 3, 0, *KERNEL[rank][1:]), np.float32), padding=padding)
    with pytest.raises(ValueError, match="spatial axes of w"):
        CONV[rank](x[0, 0], np.ones((0, *KERNEL[rank][1:]), np.float32))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_an_empty_axis_has_nothing_to_pad_with(mode: str) -> None:
    x, w = np.ones((2, 3, 5, 0), np.float32), ints((4, 3, 2, 2))
    for padding in (1, "full", [(0, 0), (0, 2)]):
        with pytest.raises(ValueError, match=r'padding of an empty axis needs padding_mode="zeros".*axis 1'):
            npconv.conv2d(x, w, padding=padding, padding_mode=mode)
    assert npconv.conv2d(x, w, padding="same", padding_mode=mode).shape == (2, 4, 5, 0)


def test_show_the_value_of_a_misaligned_swapped_or_strided_argument_is_not_needed() -> None:
    """Legal memory of a wrong shape is told like any other."""
    x, w, _ = problem(2)
    for bias in (misaligned(np.ones(5, np.float32)), np.ones(5, ">f4"), np.ones(10, np.float32)[::2]):
        with pytest.raises(ValueError, match=r"bias must have shape \(4,\).*got \(5,\)"):
            npconv.conv2d(x, w, bias)
    same(npconv.conv2d(x, w, np.zeros(4, ">f4")), npconv.conv2d(x, w))
