# SPDX-License-Identifier: BSD-3-Clause
"""How far Winograd's results are from those of wider arithmetic: relative L2 on ordinary data, of whole maps
and of each kind of edge tile by itself, and the bound of every tile on data that are made to reach it."""

from __future__ import annotations

import functools
from typing import Any

import cases
import numpy as np
import pytest
import reference
from npconv import _core
from reference import Array
from winograd_cases import ALGORITHMS, channels_first, conv, fallbacks, in_layout
from winograd_tiles import case_of, coefficient, tile_unit

# The largest relative L2 error on standard normal data, for 16 to 2048 channels.
LIMITS = {
    "float32": {"winograd_f2": 1e-6, "winograd": 2e-6, "winograd_f6": 1e-5},
    "float64": {"winograd_f2": 1e-14, "winograd": 1e-14, "winograd_f6": 1e-14},
}
OUT = 16
DISTRIBUTIONS: dict[str, Any] = {
    "normal": lambda x: x,
    "after relu": lambda x: np.maximum(x, 0),
    "mean 3": lambda x: x + 3,
}
Problem = tuple[Array, Array, Array]


@functools.cache
def problem(dtype: str, channels: int, size: tuple[int, int], kind: str = "normal") -> Problem:
    """x, w and the result in a wider type, of a map padded by 1."""
    rng = np.random.default_rng([channels, *size])
    x = DISTRIBUTIONS[kind](rng.standard_normal((1, channels, *size))).astype(dtype)
    w = rng.standard_normal((OUT, channels, 3, 3)).astype(dtype)
    return x, w, right(x, w, 1)


def right(x: Array, w: Array, padding: int) -> Array:
    wide: Any = np.float64 if x.dtype == np.float32 else np.longdouble
    return reference.conv(x, w, spatial_rank=2, padding=padding, accumulate=wide)


def tiles(outputs: int, big: int) -> list[tuple[int, int]]:
    """(first output, number of outputs) of the tiles along an axis: whole ones and a smaller one."""
    return [(first, min(big, outputs - first)) for first in range(0, outputs, big)]


def relative(y: Array, want: Array) -> float:
    """The relative error in the L2 norm."""
    return float(np.sqrt(np.square(y - want).sum() / np.square(want).sum()))


@pytest.mark.parametrize("channels", [16, 64, 256, 512, 1024, 2048])
@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_relative_error_on_normal_data(algorithm: str, dtype: str, channels: int, isa: str) -> None:
    x, w, want = problem(dtype, channels, (10, 10))
    for layout in cases.LAYOUTS:
        y = conv(algorithm, in_layout(x, layout), w, padding=1, layout=layout)
        assert relative(channels_first(y, layout), want) <= LIMITS[dtype][algorithm]


@pytest.mark.parametrize("kind", ["after relu", "mean 3"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_relative_error_on_other_data(algorithm: str, kind: str, isa: str) -> None:
    """A mean adds to what is summed, and not to the results of weights of both signs: twice the error."""
    for dtype in cases.DTYPES:
        for channels in (16, 256, 1024):
            x, w, want = problem(dtype, channels, (10, 10), kind)
            assert relative(conv(algorithm, x, w, padding=1), want) <= 2 * LIMITS[dtype][algorithm]


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_relative_error_in_edge_tiles(algorithm: str, dtype: str, isa: str) -> None:
    """Of every size along either axis, where a few wrong digits would vanish in the error of a whole map."""
    big = ALGORITHMS[algorithm]
    for channels in (16, 300):
        for rest in range(big):
            size = (big + rest, 3 * big + (big - rest) % big)
            x, w, want = problem(dtype, channels, size)
            y = conv(algorithm, x, w, padding=1)
            for row, height in tiles(size[0], big):
                for column, width in tiles(size[1], big):
                    at = (..., slice(row, row + height), slice(column, column + width))
                    # A tile of one output is 16 numbers: their error is not yet that of many.
                    limit = LIMITS[dtype][algorithm] * (2 if height * width < 9 else 1.25)
                    assert relative(y[at], want[at]) <= limit, (size, row, column)


@pytest.mark.parametrize("channels", [1, 2, 3, 7])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_relative_error_of_few_channels(algorithm: str, channels: int, isa: str) -> None:
    for dtype in cases.DTYPES:
        x, w, want = problem(dtype, channels, (26, 25))
        assert relative(conv(algorithm, x, w, padding=1), want) <= LIMITS[dtype][algorithm]


# ---- the bound, on data that try to reach it ---------------------------------------------------------------


def powers(rng: np.random.Generator, shape: tuple[int, ...], exponents: float) -> Array:
    """Numbers of either sign whose exponents lie evenly over a range."""
    return rng.choice([-1, 1], shape) * np.exp2(rng.uniform(0, exponents, shape))


def one_large(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Now and then a pixel 250 times as large as the others, just within the range that a tile may have."""
    x = rng.choice([-1, 1], shape).astype(float)
    rows, columns = np.meshgrid(*(np.arange(n) for n in shape[2:]), indexing="ij")
    x[:, :, (rows % 5 == 2) & (columns % 7 == 3)] *= 250
    return x


def ramps(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.add.outer(np.linspace(-1, 1, shape[2]), np.linspace(0.3, 2, shape[3])) * np.ones(shape)


INPUTS: dict[str, Any] = {
    "a wide range": lambda rng, shape: powers(rng, shape, 7.9),
    "one large pixel a tile": one_large,
    "mean 1000": lambda rng, shape: 1000 + rng.standard_normal(shape),
    "mean -1e6, of one sign": lambda rng, shape: -1e6 - rng.random(shape),
    "constant": lambda rng, shape: np.full(shape, 1 / 3),
    "ramps": ramps,
    "a checkerboard": lambda rng, shape: np.broadcast_to((np.indices(shape[2:]).sum(0) % 2) - 1 / 3, shape),
    "tiny": lambda rng, shape: rng.standard_normal(shape) * 2.0**-40,
    "subnormal": lambda rng, shape: rng.standard_normal(shape) * 2.0**-135,
    "huge": lambda rng, shape: rng.standard_normal(shape) * 2.0**40,
    "many zeros": lambda rng, shape: rng.standard_normal(shape) * (rng.random(shape) < 0.05),
}  # fmt: skip
WEIGHTS: dict[str, Any] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "a wide range": lambda rng, shape: powers(rng, shape, 20),
    "subnormal": lambda rng, shape: rng.standard_normal(shape) * 2.0**-133,
    "of one sign": lambda rng, shape: rng.random(shape) + 0.5,
    "differences": lambda rng, shape: np.broadcast_to(np.outer([1, -2, 1], [-1, 0, 1]) / 3, shape),
}


def check_bound(algorithm: str, x: Array, w: Array, padding: int = 1) -> None:
    """Every output within c u max_tile|x| sum|w|."""
    want = right(x, w, padding)
    case = case_of(x, w, padding=padding)
    allowed = coefficient(algorithm, case) * tile_unit(algorithm, case, x, w)
    for layout in cases.LAYOUTS:
        y = conv(algorithm, in_layout(x, layout), w, padding=padding, layout=layout)
        error = abs(channels_first(y, layout) - want)
        assert (error <= allowed).all(), f"error {error.max()}, allowed {allowed.max()}"


@pytest.mark.parametrize("data", INPUTS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_bound_of_every_tile(algorithm: str, data: str, isa: str) -> None:
    for dtype in cases.DTYPES:
        for kind, weights in WEIGHTS.items():
            rng = np.random.default_rng(len(data) + len(kind))
            for channels in (1, 3, 40):
                x = INPUTS[data](rng, (1, channels, 17, 15)).astype(dtype)
                check_bound(algorithm, x, weights(rng, (3, channels, 3, 3)).astype(dtype))


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_bound_where_signs_align_with_the_transforms(algorithm: str, dtype: str, isa: str) -> None:
    """For each pair of points x and w that make the transformed values at them as large as they can be."""
    big = ALGORITHMS[algorithm]
    found = _core._winograd_matrices(big + 2, 3, big)
    bt, g = np.sign(found["bt"]), np.sign(found["g"])
    points = range(big + 2)
    # A channel in adds its products to all outputs alike: one image and output channel for each pair.
    x = np.array([np.outer(bt[i], bt[j]) for i in points for j in points])[:, None]
    w = np.array([np.outer(g[i], g[j]) for i in points for j in points])[:, None]
    rng = np.random.default_rng(1)
    for channels in (1, 64):
        # Values with full mantissas, of the signs that were chosen.
        xs = np.repeat(x, channels, 1) * (1 - rng.random((1, channels, 1, 1)) / 8)
        ws = np.repeat(w, channels, 1) * (1 - rng.random((1, channels, 1, 1)) / 8)
        check_bound(algorithm, xs.astype(dtype), ws.astype(dtype), padding=0)


@pytest.mark.parametrize("data", ["one large pixel a tile", "mean 1000", "constant", "ramps", "tiny", "huge"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_data_within_the_range_are_not_recomputed(algorithm: str, data: str, isa: str) -> None:
    rng = np.random.default_rng(3)
    x = INPUTS[data](rng, (1, 16, 17, 15)).astype(np.float32)
    w = rng.standard_normal((8, 16, 3, 3)).astype(np.float32)
    with fallbacks(False):
        check_bound(algorithm, x, w)
