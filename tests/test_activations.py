# SPDX-License-Identifier: BSD-3-Clause
"""Activations by themselves: a 1 x 1 x 1 kernel of 1 leaves x, exactly, as the value before the activation.

The promise (design page): transcendental activations are within 4 ULP of the exact function of that value, on
every instruction set, in both dtypes and layouts, down to subnormal results; a NaN stays a NaN. Truth is
mpmath's at 50 digits. The points are those where something could go wrong, and random ones.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cases
import npconv
import numpy as np
import pytest
from cases import ACTIVATION_ULPS, DTYPES, LAYOUTS
from mpmath import mp, mpf
from npconv import _core
from reference import Activation, Array

FIT = Path(__file__).parents[1] / "cpp" / "kernels" / "fit_activations.py"
DIGITS = 50
# Channels last runs an activation along the channels: whole vectors and a remainder on every instruction set.
CHANNELS = 19


class Function(NamedTuple):
    """An activation, and what says where it is hard."""

    exact: Callable[[mpf], mpf]
    exponent: Callable[[Array], Array]  # z(|x|): the function is made of exp(-z)
    reach: dict[str, float]  # |x| from which on every value, rounded, is 0, +-1 or x


def gelu(x: mpf) -> mpf:
    return x * mp.erfc(-x / mp.sqrt(2)) / 2 if abs(x) < 1e4 else max(x, mpf(0))


def gelu_tanh(x: mpf) -> mpf:
    return x / (1 + mp.exp(-mp.sqrt(8 / mp.pi) * (x + mpf("0.044715") * x**3)))


def hardswish(x: mpf) -> mpf:
    return x * min(max(x + 3, mpf(0)), mpf(6)) / 6


FUNCTIONS = {
    "sigmoid": Function(lambda x: 1 / (1 + mp.exp(-x)), lambda a: a, {"float32": 105, "float64": 746}),
    "tanh": Function(mp.tanh, lambda a: 2 * a, {"float32": 10, "float64": 20}),
    "silu": Function(lambda x: x / (1 + mp.exp(-x)), lambda a: a, {"float32": 109, "float64": 753}),
    "gelu": Function(gelu, lambda a: a**2 / 2, {"float32": 14.5, "float64": 38.8}),
    "gelu_tanh": Function(
        gelu_tanh, lambda a: 1.5957691216 * (a + 0.044715 * a**3), {"float32": 10.5, "float64": 21.5}
    ),
    "hardswish": Function(hardswish, lambda a: a, {"float32": 3, "float64": 3}),
}
NAMES = tuple(FUNCTIONS)


# ---- points and truth --------------------------------------------------------------------------------------


def neighbours(values: Array, count: int) -> Array:
    """The values, and the `count` next numbers of their dtype on either side."""
    found, up, down = [values], values, values
    infinity = values.dtype.type(np.inf)
    with np.errstate(all="ignore"):
        for _ in range(count):
            up, down = np.nextafter(up, infinity), np.nextafter(down, -infinity)
            found += [up, down]
    return np.concatenate(found)


@functools.cache
def points(name: str, dtype: str) -> Array:
    """Finite numbers of the dtype, sorted."""
    info = np.finfo(dtype)
    function, reach = FUNCTIONS[name], FUNCTIONS[name].reach[dtype]
    random = np.random.default_rng(20240611)
    grid = np.linspace(0, 1.02 * reach, 20_000)
    z = function.exponent(grid)

    # exp(-z) = 2^k exp(-r): where k changes, |r| is greatest
    changes = np.interp(np.arange(0.5, z[-1] / np.log(2), max(1.0, z[-1] / 100)) * np.log(2), z, grid)
    tail = np.interp(z[-1] * random.uniform(0.85, 1.0, 250), z, grid)  # subnormal results are here
    small = np.exp2(random.uniform(np.log2(info.smallest_subnormal), 0, 200))
    large = np.exp2(random.uniform(0, 100, 50))
    usual = [random.uniform(0, reach, 300), random.uniform(0, 4, 300), random.exponential(1, 200)]
    limits = [  # of the formats, of what is exact or overflows in them, and of the polynomials
        *(0, info.smallest_subnormal, info.tiny, info.tiny**0.5, info.eps**2, info.eps, info.eps**0.5),
        *(info.max, info.max / 2, info.max**0.5, info.max ** (1 / 3), 1e4, 1e20, reach),
        *(1e-4, 0.1, np.log(2) / 2, 0.5, 1, 155 / 128, 2, 3, 4.5, 5, 6, 8, 10, 11, 15, 20, 22, 39),
        *(88.7, 104, 110, 709.8, 745.2, 760),
    ]
    values = [
        np.concatenate([tail, small, large, *usual]).astype(dtype),
        neighbours(changes.astype(dtype), 1),
        neighbours(np.array(limits, dtype), 3),
    ]
    x = np.concatenate([*values, *(-v for v in values)])
    return np.unique(x[np.isfinite(x)])


class Truth(NamedTuple):
    """Exact values as nearest + rest * ulp: `nearest` in the dtype, the others in float64."""

    nearest: Array
    rest: Array
    ulp: Array


@functools.cache
def truth(name: str, dtype: str) -> Truth:
    info = np.finfo(dtype)
    exact = FUNCTIONS[name].exact
    rows = []
    with mp.workdps(DIGITS):
        for x in points(name, dtype):
            y = exact(mpf(float(x)))
            exponent = mp.frexp(y)[1] - 1 if y else info.minexp
            ulp = mpf(2) ** (max(exponent, info.minexp) - info.nmant)
            nearest = float(np.dtype(dtype).type(float(y)))
            rows.append((nearest, float((y - mpf(nearest)) / ulp), float(ulp)))
    nearest, rest, ulp = np.array(rows).T
    return Truth(nearest, rest, ulp)


# ---- running -----------------------------------------------------------------------------------------------


def activated(
    x: Array, activation: Activation, layout: str = "channels_first", algorithm: str = "gemm"
) -> Array:
    """activation(x) of a vector, through conv1d; all output channels compute the same, and must agree."""
    shape = (1, 1, -1) if layout == "channels_first" else (1, -1, 1)
    w = np.ones((CHANNELS, 1, 1), x.dtype)
    y = npconv.conv1d(x.reshape(shape), w, layout=layout, activation=activation, algorithm=algorithm)
    rows = y[0] if layout == "channels_first" else y[0].T
    assert y.dtype == x.dtype
    assert rows.shape == (CHANNELS, x.size)
    np.testing.assert_array_equal(rows, np.broadcast_to(rows[0], rows.shape))
    return np.ascontiguousarray(rows[0])


def check_ulps(name: str, dtype: str, layout: str, algorithm: str) -> None:
    x, exact = points(name, dtype), truth(name, dtype)
    y = activated(x, name, layout, algorithm)
    errors = np.abs((y.astype(np.float64) - exact.nearest) / exact.ulp - exact.rest)
    worst = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
    assert errors[worst] <= ACTIVATION_ULPS, (
        f"{name}({x[worst]!r}) = {y[worst]!r}, not {exact.nearest[worst]!r}: {errors[worst]:.2f} ULP"
    )


# ---- accuracy ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_within_4_ulp(name: str, dtype: str, layout: str, isa: str) -> None:
    check_ulps(name, dtype, layout, "gemm")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_naive_within_4_ulp(name: str, dtype: str, layout: str) -> None:
    check_ulps(name, dtype, layout, "naive")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_sets_with_fma_agree_bitwise(name: str, dtype: str) -> None:
    """The compiler decides no rounding, and the baseline alone rounds a product before its sum."""
    x = points(name, dtype)
    results = {}
    for isa in set(_core._isa_names()) - {"baseline"}:
        with cases.forced(isa):
            results[isa] = activated(x, name)
    for isa, y in results.items():
        np.testing.assert_array_equal(y, next(iter(results.values())), err_msg=isa)


@pytest.mark.parametrize("dtype", DTYPES)
def test_ranges(dtype: str, isa: str) -> None:
    """No rounding error leads out of the range of a function."""
    sigmoid = activated(points("sigmoid", dtype), "sigmoid")
    assert sigmoid.min() >= 0
    assert sigmoid.max() == 1
    tanh = activated(points("tanh", dtype), "tanh")
    assert np.abs(tanh).max() == 1
    np.testing.assert_array_equal(tanh, -tanh[::-1])  # the points are symmetric


# ---- exact ones --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["gemm", "naive"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_piecewise_linear_is_exact(dtype: str, layout: str, algorithm: str, isa: str) -> None:
    activated(np.ones(1, dtype), None)  # the instruction set ran with "naive" too
    x = np.concatenate([points("hardswish", dtype), np.array([np.inf, -np.inf], dtype)])
    number = x.dtype.type
    with np.errstate(all="ignore"):
        expected: dict[Activation, Array] = {
            None: x,
            "relu": np.maximum(x, number(0)),
            "relu6": np.clip(x, number(0), number(6)),
            "leaky_relu": np.where(x < 0, x * number(0.01), x),
            ("leaky_relu", 0.3): np.where(x < 0, x * number(0.3), x),
            ("leaky_relu", -2.0): np.where(x < 0, x * number(-2.0), x),
            ("clip", -0.7, 1.1): np.clip(x, number(-0.7), number(1.1)),
            ("clip", -np.inf, 2.5): np.minimum(x, number(2.5)),
        }
    # "naive" multiplies in a wider type: by a slope that it need not round, and then rounds to the dtype.
    maxulp = 0 if algorithm == "gemm" else 1
    for activation, y in expected.items():
        np.testing.assert_array_max_ulp(activated(x, activation, layout, algorithm), y, maxulp)


# ---- infinities and NaN ------------------------------------------------------------------------------------

AT_INFINITIES: dict[Activation, tuple[float, float]] = {  # at -inf, at +inf
    "relu": (0, np.inf),
    "relu6": (0, 6),
    "leaky_relu": (-np.inf, np.inf),
    ("clip", -1.0, 2.0): (-1, 2),
    "sigmoid": (0, 1),
    "tanh": (-1, 1),
    "silu": (0, np.inf),
    "hardswish": (0, np.inf),
    "gelu": (0, np.inf),
    "gelu_tanh": (0, np.inf),
}


@pytest.mark.parametrize("algorithm", ["gemm", "naive"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", AT_INFINITIES, ids=str)
def test_nonfinite(activation: Activation, dtype: str, layout: str, algorithm: str, isa: str) -> None:
    """The limits at the infinities; a NaN, of either sign and in any lane, stays, and stays where it is."""
    activated(np.ones(1, dtype), None)  # the instruction set ran with "naive" too
    low, high = AT_INFINITIES[activation]
    number = np.dtype(dtype).type
    ends = activated(np.array([-np.inf, np.inf], dtype), activation, layout, algorithm)
    np.testing.assert_array_equal(ends, np.array([low, high], dtype))
    with np.errstate(all="ignore"):
        x = np.linspace(-9, 9, 37).astype(dtype)
        clean = activated(x, activation, layout, algorithm)
        for i, nan in enumerate([number(np.nan), -number(np.nan)] * 18):
            dirty = x.copy()
            dirty[i] = nan
            y = activated(dirty, activation, layout, algorithm)
            assert np.isnan(y[i]), f"{activation} of a NaN at {i} is {y[i]}"
            np.testing.assert_array_equal(np.delete(y, i), np.delete(clean, i))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", AT_INFINITIES, ids=str)
def test_value_does_not_depend_on_its_place(activation: Activation, dtype: str, isa: str) -> None:
    """The same number gives the same bits in a vector, in a remainder, alone, and beside other numbers."""
    x = np.random.default_rng(3).uniform(-8, 8, 70).astype(dtype)
    y = activated(x, activation)
    for n in range(1, 40):
        for start in (0, 1, 30):
            np.testing.assert_array_equal(activated(x[start : start + n], activation), y[start : start + n])


# ---- constants ---------------------------------------------------------------------------------------------


def test_constants_are_those_of_the_script() -> None:
    run = subprocess.run([sys.executable, FIT, "--check"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
