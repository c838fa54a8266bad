# SPDX-License-Identifier: BSD-3-Clause
"""Where Winograd cannot serve it says so, by name and with the reason, and `out` is untouched."""

from __future__ import annotations

import contextlib
from typing import Any

import npconv
import numpy as np
import pytest
from cases import Case
from rules import canary, ints
from winograd_cases import ALGORITHMS, conv
from winograd_tiles import served

# x, w, keywords
REFUSED: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "1x1": ((1, 3, 9, 9), (4, 3, 1, 1), {}),
    "one tap": ((1, 3, 9), (4, 3, 1), {}),
    "no more taps than strides": ((1, 3, 9, 9), (4, 3, 2, 2), {"stride": 2}),
    "3 taps and as large a stride": ((1, 3, 19), (4, 3, 3), {"stride": 3}),
    "stride and dilation": ((1, 3, 19, 19), (4, 3, 3, 3), {"stride": 2, "dilation": 2}),
    "both along the width": ((1, 3, 9, 19), (4, 3, 3, 3), {"stride": (1, 3), "dilation": (1, 2)}),
    "both along the depth": ((1, 3, 9, 9, 9), (4, 3, 2, 3, 3), {"stride": (2, 1, 1), "dilation": (3, 1, 1)}),
    "as much dilation as outputs": ((1, 3, 9, 9), (4, 3, 3, 3), {"dilation": 3}),
    "more dilation than outputs": ((1, 3, 12, 40), (4, 3, 3, 3), {"dilation": (5, 1)}),
    "dilation of a single output": ((1, 3, 5), (4, 3, 3), {"dilation": 2}),
    "65 runs of taps": ((1, 3, 300), (4, 3, 257), {}),
    "30 rows of 9 runs of taps": ((1, 3, 36, 40), (4, 3, 30, 33), {}),
    "17 planes of 6 rows of taps": ((1, 3, 20, 20, 20), (4, 3, 17, 6, 6), {}),
    "1001 taps of a phase": ((1, 3, 2100), (4, 3, 2002), {"stride": 2}),
    "no input channels": ((1, 0, 9, 9), (4, 0, 3, 3), {}),
    "no input channels, 1-D": ((1, 0, 9), (4, 0, 3), {}),
}
# Of the tiles of one size nothing is promised; their error is no reason.
TOO_MANY_PRODUCTS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "3x3": ((1, 32768, 3, 3), (1, 32768, 3, 3), {}),
    "9x9": ((1, 8192, 9, 9), (1, 8192, 9, 9), {}),
    "15x15": ((1, 16, 15, 15), (1, 16, 15, 15), {}),
    "5x5, stride 2": ((1, 8192, 5, 5), (1, 8192, 5, 5), {"stride": 2}),
    "1-D, 3 taps": ((1, 65536, 3), (1, 65536, 3), {}),
}
# Those that "winograd" serves, and the tiles of one size do not.
REFUSED_BY_NAME: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "5x5": ((1, 3, 9, 9), (4, 3, 5, 5), {}),
    "2x2": ((1, 3, 9, 9), (4, 3, 2, 2), {}),
    "3x5": ((1, 3, 9, 9), (4, 3, 3, 5), {}),
    "9 taps in a row": ((1, 3, 9, 9), (4, 3, 1, 9), {}),
    "1-D, 4 taps": ((1, 3, 9), (4, 3, 4), {}),
    "2 taps of a phase": ((1, 3, 9, 9), (4, 3, 3, 3), {"stride": 2}),
    "2 taps of a phase along an axis": ((1, 3, 9, 9), (4, 3, 3, 3), {"stride": (1, 2)}),
    "4 taps of a phase": ((1, 3, 19, 19), (4, 3, 7, 7), {"stride": 2}),
    "3-D, 2 taps of a phase": ((1, 3, 5, 9, 9), (4, 3, 3, 3, 3), {"stride": 2}),
}
SERVED: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "1x3": ((1, 3, 9, 9), (4, 3, 1, 3), {}),
    "3x1": ((1, 3, 9, 9), (4, 3, 3, 1), {}),
    "1-D, 3 taps": ((1, 3, 9), (4, 3, 3), {}),
    "3-D": ((1, 3, 5, 9, 9), (4, 3, 3, 3, 3), {}),
    "3-D, 1 plane": ((1, 3, 5, 9, 9), (4, 3, 1, 3, 3), {}),
    "3-D, planes with a stride": ((1, 3, 5, 9, 9), (4, 3, 3, 3, 3), {"stride": (2, 1, 1)}),
    "3 taps of a phase": ((1, 3, 19, 19), (4, 3, 5, 6), {"stride": 2}),
    "3 taps of one, 1 of the other": ((1, 3, 19, 19), (4, 3, 2, 9), {"stride": 3}),
    "dilation": ((1, 3, 9, 9), (4, 3, 3, 3), {"dilation": 2}),
    "dilation along an axis": ((1, 3, 10, 9), (4, 3, 3, 3), {"dilation": (3, 1)}),
    "a stride and a dilation": ((1, 3, 19, 19), (4, 3, 3, 5), {"dilation": (3, 1), "stride": (1, 2)}),
    "a dilation of one tap": ((1, 3, 9, 9), (4, 3, 3, 1), {"dilation": (1, 50)}),
    "both of one tap": ((1, 3, 9, 9), (4, 3, 3, 1), {"dilation": (1, 3), "stride": (1, 2)}),
}


def described(x_shape: tuple[int, ...], w_shape: tuple[int, ...], keywords: dict[str, Any]) -> Case:
    shape: dict[str, Any] = {"cin": x_shape[1], "cout": w_shape[0]}
    return Case(x_shape[2:], w_shape[2:], x_shape[0], **shape, **keywords)


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [(name, algorithm) for name in REFUSED for algorithm in ALGORITHMS]
    + [(name, algorithm) for name in REFUSED_BY_NAME for algorithm in ("winograd_f2", "winograd_f6")],
)
def test_refused_with_a_reason(name: str, algorithm: str) -> None:
    x_shape, w_shape, keywords = (REFUSED | REFUSED_BY_NAME)[name]
    x, w = ints(x_shape), ints(w_shape)
    function = getattr(npconv, f"conv{x.ndim - 2}d")
    out = canary(npconv.plan_conv(x_shape, w, **keywords).output_shape)
    before = out.tobytes()
    told = rf'^algorithm="{algorithm}" cannot serve here: \w.{{8}}'
    with pytest.raises(ValueError, match=told):
        function(x, w, algorithm=algorithm, out=out, **keywords)
    assert out.tobytes() == before
    with pytest.raises(ValueError, match=told):
        npconv.plan_conv(x_shape, w, algorithm=algorithm, **keywords)
    if x_shape[1]:
        assert not served(algorithm, described(x_shape, w_shape, keywords))


@pytest.mark.parametrize("name", TOO_MANY_PRODUCTS)
def test_so_many_products_that_their_error_would_be_too_large_are_refused(name: str) -> None:
    x_shape, w_shape, keywords = TOO_MANY_PRODUCTS[name]
    w = np.broadcast_to(np.zeros(1, np.float32), w_shape)
    assert not served("winograd", described(x_shape, w_shape, keywords))
    with pytest.raises(ValueError, match="the error of its sums of products would be too large"):
        npconv.plan_conv(x_shape, w, algorithm="winograd", **keywords)
    assert npconv.plan_conv(x_shape, w, **keywords).algorithm not in ALGORITHMS
    few = (1, x_shape[1] // 4, *x_shape[2:])
    plan = npconv.plan_conv(few, w[:, : few[1]], algorithm="winograd", **keywords)
    assert plan.algorithm == "winograd"


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [(name, algorithm) for name in SERVED for algorithm in ALGORITHMS]
    + [(name, "winograd") for name in REFUSED_BY_NAME],
)
def test_served(name: str, algorithm: str, isa: str) -> None:
    x_shape, w_shape, keywords = (SERVED | REFUSED_BY_NAME)[name]
    assert served(algorithm, described(x_shape, w_shape, keywords))
    assert npconv.plan_conv(x_shape, ints(w_shape), algorithm=algorithm, **keywords).algorithm == algorithm
    conv(algorithm, ints(x_shape), ints(w_shape), **keywords)


@pytest.mark.parametrize("algorithm", ["Winograd", "winograd_f4", "winograd_f8", "winograd ", "winograd_"])
def test_there_are_no_other_names(algorithm: str) -> None:
    x, w = ints((1, 3, 9, 9)), ints((4, 3, 3, 3))
    with pytest.raises(ValueError, match="algorithm") as caught:
        npconv.conv2d(x, w, algorithm=algorithm)
    assert repr(algorithm).strip("'") in str(caught.value)
    assert all(name in str(caught.value) for name in ALGORITHMS)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_stride_and_dilation_of_one_may_be_said(algorithm: str, isa: str) -> None:
    x, w = ints((1, 3, 9, 9)), ints((4, 3, 3, 3))
    said = conv(algorithm, x, w, stride=(1, 1), dilation=[1, 1])
    assert said.tobytes() == conv(algorithm, x, w).tobytes()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_of_nothing_nothing_is_made(algorithm: str) -> None:
    """Empty batches, no output channels, maps of no pixels: served, not refused."""
    w = ints((4, 3, 3, 3))
    for x_shape, weights, how in (
        ((0, 3, 9, 9), w, {}),
        ((2, 3, 9, 9), w[:0], {}),
        ((2, 3, 0, 9), w, {"padding": "same"}),
        ((0, 3, 3, 3), w, {}),
    ):
        y = npconv.conv2d(ints(x_shape), weights, algorithm=algorithm, **how)
        assert y.size == 0
        assert y.shape == npconv.conv2d(ints(x_shape), weights, algorithm="gemm", **how).shape


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_other_errors_are_those_of_every_algorithm(algorithm: str) -> None:
    x, w = ints((1, 3, 9, 9)), ints((4, 3, 3, 3))
    for arguments, keywords in (
        ((x, w[:, :2]), {}),
        ((x[..., :2], w), {}),
        ((x, w), {"groups": 2}),
        ((x, w, ints((5,))), {}),
        ((x, w), {"residual": ints((1, 4, 7, 8))}),
        ((x, w), {"out": canary((1, 4, 7, 6))}),
        ((x, w), {"activation": "winograd"}),
    ):
        messages = []
        for name in (algorithm, "gemm"):
            with pytest.raises(ValueError) as caught:  # noqa: PT011  (the message is compared)
                npconv.conv2d(*arguments, algorithm=name, **keywords)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


def test_auto_takes_one_of_the_others_where_winograd_cannot_serve() -> None:
    for name, (x_shape, w_shape, keywords) in REFUSED.items():
        plan = npconv.plan_conv(x_shape, ints(w_shape), **keywords)
        assert plan.algorithm not in ALGORITHMS, name


def test_auto_takes_f4_alone_of_the_three() -> None:
    """For layers with many channels on large maps it takes it, the others by name only."""
    taken = set()
    for channels in (1, 3, 16, 64, 256):
        for size in (4, 7, 14, 56, 224):
            for dtype in (np.float32, np.float64):
                w = np.zeros((channels, channels, 3, 3), dtype)
                taken.add(npconv.plan_conv((1, channels, size, size), w, padding=1).algorithm)
    assert "winograd" in taken
    assert not taken & {"winograd_f2", "winograd_f6"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("x_shape", "w_shape", "padding"),
    [
        ((0, 4, 9, 9), (8, 4, 3, 3), 0),
        ((2, 4, 9, 9), (0, 4, 3, 3), 0),
        ((2, 4, 2, 9), (8, 4, 3, 3), ((0, 0), (1, 1))),
        ((2, 4, 9, 2), (8, 4, 3, 3), ((1, 1), (0, 0))),
        ((2, 4, 0, 9), (8, 4, 3, 3), 2),
    ],
)
def test_what_is_empty_gives_what_gemm_gives(
    algorithm: str, x_shape: tuple[int, ...], w_shape: tuple[int, ...], padding: Any
) -> None:
    """Empty results; and of an input without pixels, but with a border, the border's zeros."""
    x, w = np.ones(x_shape, np.float32), np.ones(w_shape, np.float32)

    def answers(name: str) -> list[Any]:
        answers: list[Any] = []
        for make in (
            lambda: npconv.conv2d(x, w, padding=padding, algorithm=name),
            lambda: npconv.plan_conv(x_shape, w, padding=padding, algorithm=name)(x),
            lambda: npconv.plan_conv((None, *x_shape[1:]), w, padding=padding, algorithm=name)(x),
        ):
            try:
                answers.append(make().tolist())
            except ValueError as error:
                answers.append(str(error))
        return answers

    assert answers(algorithm) == answers("gemm")
    with contextlib.suppress(ValueError):
        plan = npconv.plan_conv(x_shape, w, padding=padding, algorithm=algorithm)
        assert plan.algorithm == algorithm
        assert f"algorithm    {algorithm} " in plan.explain()
