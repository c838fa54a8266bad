# SPDX-License-Identifier: BSD-3-Clause
"""How far Winograd's results are from those of wider arithmetic, for kernels of any size, strides, dilations.

Relative L2 on standard normal data, within what the library promises of the algorithm that "auto" takes.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import cases
import npconv
import numpy as np
import pytest
from cases import Case
from reference import Array
from test_winograd_accuracy import DISTRIBUTIONS, LIMITS, relative
from test_winograd_fallback import right
from winograd_cases import ALGORITHMS, channels_first, conv, in_layout
from winograd_tiles import axes, choice, served

OUT = 16
# size, kernel, keywords
SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    **{f"1-D, {k} taps": ((50,), (k,), {"padding": "same"}) for k in range(2, 10)},
    "1-D, 15 taps": ((50,), (15,), {"padding": "same"}),
    "1-D, 5 taps, stride 2": ((90,), (5,), {"stride": 2}),
    "1-D, 3 taps, dilation 4": ((60,), (3,), {"dilation": 4}),
    "2x2": ((10, 10), (2, 2), {}),
    "4x4": ((10, 10), (4, 4), {}),
    "5x5": ((9, 9), (5, 5), {"padding": 2}),
    "3x5": ((9, 9), (3, 5), {"padding": (1, 2)}),
    "4x5": ((9, 9), (4, 5), {"padding": 2}),
    "2x7": ((9, 9), (2, 7), {"padding": (1, 3)}),
    "7x7": ((9, 9), (7, 7), {"padding": 3}),
    "9x9": ((9, 9), (9, 9), {"padding": 4}),
    "11x11": ((9, 9), (11, 11), {"padding": 5}),
    "1x7": ((6, 11), (1, 7), {"padding": (0, 3)}),
    "7x1": ((11, 6), (7, 1), {"padding": (3, 0)}),
    "1x3": ((6, 12), (1, 3), {"padding": (0, 1)}),
    "5x1": ((12, 6), (5, 1), {"padding": (2, 0)}),
    "3x3, stride 2": ((17, 17), (3, 3), {"stride": 2, "padding": 1}),
    "5x5, stride 2": ((17, 17), (5, 5), {"stride": 2, "padding": 2}),
    "7x7, stride 2": ((16, 16), (7, 7), {"stride": 2, "padding": 3}),
    "7x7, stride 3": ((22, 22), (7, 7), {"stride": 3}),
    "3x3, dilation 2": ((12, 12), (3, 3), {"dilation": 2, "padding": 2}),
    # Of a smaller map most windows would lie half in the border: the error is that of whole tiles, and the
    # outputs are sums of fewer products (2.2e-6 of 10x10).
    "5x5, dilation 3": ((22, 22), (5, 5), {"dilation": 3, "padding": 6}),
    "3x3x3": ((3, 6, 6), (3, 3, 3), {"padding": 1}),
    "3x5x5": ((3, 6, 6), (3, 5, 5), {"padding": (1, 2, 2)}),
    "3x3x3, stride 2": ((5, 11, 11), (3, 3, 3), {"stride": 2, "padding": 1}),
}


def described(name: str, channels: int) -> Case:
    size, kernel, keywords = SHAPES[name]
    return Case(size, kernel, cin=channels, cout=OUT, **keywords)


COUNTS = (1, 16, 256, 1024, 2048)
LARGEST = 4_000_000  # products of an output channel
CHANNELS = [
    (name, n)
    for name in SHAPES
    for n in COUNTS
    if served("winograd", described(name, n))
    and n * math.prod((*SHAPES[name][0], *SHAPES[name][1])) < LARGEST
]


@functools.cache
def before_others(name: str) -> list[int]:
    """So many channels that of one more there are other tiles, or none: what errs most."""
    found: list[int] = []
    channels = 1
    while channels < 2048 and (tiles := choice(described(name, channels))):
        few, many = channels, 2 * channels
        while many - few > 1:
            middle = (few + many) // 2
            few, many = (middle, many) if choice(described(name, middle)) == tiles else (few, middle)
        if choice(described(name, many)) != tiles:
            found.append(few)
        channels = many
    return found


@functools.cache
def problem(name: str, dtype: str, channels: int, kind: str = "normal") -> tuple[Array, Array, Array]:
    """x, w and the result in a wider type."""
    size, kernel, keywords = SHAPES[name]
    rng = np.random.default_rng([channels, *size])
    x = DISTRIBUTIONS[kind](rng.standard_normal((1, channels, *size))).astype(dtype)
    w = rng.standard_normal((OUT, channels, *kernel)).astype(dtype)
    return x, w, right(x, w, **keywords)


def serving(name: str, channels: int) -> list[str]:
    return [a for a in ALGORITHMS if served(a, described(name, channels))]


@pytest.mark.parametrize(("name", "channels"), CHANNELS)
def test_relative_error_on_normal_data(name: str, channels: int, isa: str) -> None:
    for dtype in cases.DTYPES if channels <= 256 else ("float32",):
        x, w, want = problem(name, dtype, channels)
        for i, algorithm in enumerate(serving(name, channels) if channels <= 256 else ["winograd"]):
            layout = cases.LAYOUTS[(i + channels) % 2]
            y = conv(algorithm, in_layout(x, layout), w, layout=layout, **SHAPES[name][2])
            assert relative(channels_first(y, layout), want) <= LIMITS[dtype][algorithm], (dtype, algorithm)


@pytest.mark.parametrize(("name", "channels"), [(name, n) for name in SHAPES for n in before_others(name)])
def test_relative_error_where_the_next_channel_asks_for_other_tiles(
    name: str, channels: int, isa: str
) -> None:
    x, w, want = problem(name, "float32", channels)
    assert relative(conv("winograd", x, w, **SHAPES[name][2]), want) <= LIMITS["float32"]["winograd"]


@pytest.mark.parametrize("name", ["1-D, 3 taps", "5x5", "7x7, stride 2", "3x3, stride 2", "3x3x3"])
def test_relative_error_of_2048_channels_in_float64(name: str, isa: str) -> None:
    x, w, want = problem(name, "float64", 2048)
    assert relative(conv("winograd", x, w, **SHAPES[name][2]), want) <= LIMITS["float64"]["winograd"]


@pytest.mark.parametrize("kind", ["after relu", "mean 3"])
@pytest.mark.parametrize("name", SHAPES)
def test_relative_error_on_other_data(name: str, kind: str, isa: str) -> None:
    """A mean adds to what is summed, and not to the results of weights of both signs: twice the error."""
    for channels in (16, 256):
        x, w, want = problem(name, "float32", channels, kind)
        y = conv("winograd", x, w, **SHAPES[name][2])
        assert relative(y, want) <= 2 * LIMITS["float32"]["winograd"]


# Outputs that see few taps are small, and the errors of whole tiles are not.
MOSTLY_BORDER: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "3x5x5 on 5x3x3": ((2, 128, 5, 3, 3), (64, 128, 3, 5, 5), {"padding": (1, 2, 2)}),
    "7 taps on one value": ((1, 64, 1), (64, 64, 7), {"padding": 3}),
    "5x5, dilation 3, on 10x10": ((1, 3, 10, 10), (16, 3, 5, 5), {"dilation": 3, "padding": 6}),
    "5x5 on 4x4": ((1, 512, 4, 4), (64, 512, 5, 5), {"padding": 2}),
}


@pytest.mark.parametrize("name", MOSTLY_BORDER)
def test_auto_keeps_its_promise_where_most_of_a_map_is_border(name: str, isa: str) -> None:
    x_shape, w_shape, keywords = MOSTLY_BORDER[name]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, w = (rng.standard_normal(shape).astype(np.float32) for shape in (x_shape, w_shape))
        y = getattr(npconv, f"conv{x.ndim - 2}d")(x, w, **keywords)
        assert relative(y, right(x, w, **keywords)) <= LIMITS["float32"]["winograd"]
    told = npconv.plan_conv(x_shape, w, **keywords).explain()
    assert "winograd     cannot serve: its error would be too large where a border of zeros is most" in told
    mirrored = npconv.plan_conv(x_shape, w, **keywords | {"padding_mode": "replicate"}).explain()
    assert "its error would be too large" not in mirrored


def test_the_shapes_take_every_transform() -> None:
    taken = set()
    for name in SHAPES:
        for channels in {1, 1024, *before_others(name)}:
            for algorithm in serving(name, channels):
                taken |= {(a["points"], a["taps"]) for a in axes(algorithm, described(name, channels))}
    assert taken == {
        (1, 1), (4, 3), (6, 2), (6, 3), (6, 4), (6, 5), (7, 4), (7, 5), (8, 3), (8, 5), (9, 5), (9, 6), (9, 7)
    }  # fmt: skip
