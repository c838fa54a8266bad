# SPDX-License-Identifier: BSD-3-Clause
"""Where Winograd cannot serve it says so, by name and with the reason, and `out` is untouched."""

from __future__ import annotations

import contextlib
from typing import Any

import npconv
import numpy as np
import pytest
from rules import canary, ints
from winograd_cases import ALGORITHMS, conv

# x, w, keywords
REFUSED: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "1x1": ((1, 3, 9, 9), (4, 3, 1, 1), {}),
    "5x5": ((1, 3, 9, 9), (4, 3, 5, 5), {}),
    "3x1": ((1, 3, 9, 9), (4, 3, 3, 1), {}),
    "1x3": ((1, 3, 9, 9), (4, 3, 1, 3), {}),
    "2x2": ((1, 3, 9, 9), (4, 3, 2, 2), {}),
    "9 taps in a row": ((1, 3, 9, 9), (4, 3, 1, 9), {}),
    "stride": ((1, 3, 9, 9), (4, 3, 3, 3), {"stride": 2}),
    "stride along an axis": ((1, 3, 9, 9), (4, 3, 3, 3), {"stride": (1, 2)}),
    "dilation": ((1, 3, 9, 9), (4, 3, 3, 3), {"dilation": 2}),
    "dilation along an axis": ((1, 3, 9, 9), (4, 3, 3, 3), {"dilation": (3, 1)}),
    "1-D, 3 taps": ((1, 3, 9), (4, 3, 3), {}),
    "1-D, 9 taps": ((1, 3, 19), (4, 3, 9), {}),
    "3-D": ((1, 3, 5, 9, 9), (4, 3, 3, 3, 3), {}),
    "no input channels": ((1, 0, 9, 9), (4, 0, 3, 3), {}),
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_reason(name: str, algorithm: str) -> None:
    x_shape, w_shape, keywords = REFUSED[name]
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
