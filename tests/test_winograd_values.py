# SPDX-License-Identifier: BSD-3-Clause
"""Values that are not finite, and sentinels, in Winograd's convolutions of any shape.

They reach the outputs that the definition says, of the right phase and run of taps and plane; a tap that is
there to fill a phase or a run up meets them without effect; what must be recomputed equals algorithm="gemm".
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
from npconv import _core
from reference import Array
from test_winograd_fallback import check, check_random_values, data, right
from winograd_cases import ALGORITHMS, conv, fallbacks, random_cases
from winograd_tiles import case_of, magnitudes, over_fields, places, served

nan, inf = math.nan, math.inf
OUT = 6
W_SCALE = 256  # leaves room for sums of the largest values

# size, kernel, channels, keywords
SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...], int, dict[str, Any]]] = {
    "5x5": ((11, 12), (5, 5), 3, {"padding": 2}),
    "2x4": ((9, 11), (2, 4), 3, {}),
    "1x7": ((3, 19), (1, 7), 3, {}),
    "1x8, runs of taps": ((3, 19), (1, 8), 3, {}),
    "9x6, runs of taps": ((14, 13), (9, 6), 2, {"padding": 3}),
    "1-D, 3 taps": ((41,), (3,), 20, {"padding": 1}),
    "1-D, 9 taps": ((41,), (9,), 3, {"padding": 4}),
    "1-D, 7 taps, stride 3": ((43,), (7,), 3, {"stride": 3, "padding": 2}),
    "7x7, stride 2": ((15, 14), (7, 7), 2, {"stride": 2}),
    "7x7, stride 2, many channels": ((11, 13), (7, 7), 17, {"stride": 2, "padding": 3}),
    "5x5, stride 2": ((14, 15), (5, 5), 3, {"stride": 2, "padding": 2}),
    "3x3, stride 2": ((12, 13), (3, 3), 17, {"stride": 2, "padding": 1}),
    "stride above kernel": ((9, 14), (2, 5), 3, {"stride": (3, 2)}),
    "stride above kernel, many channels": ((9, 14), (1, 3), 17, {"stride": (2, 1)}),
    "dilation": ((13, 12), (3, 3), 3, {"dilation": (2, 3), "padding": 2}),
    "1-D, dilation": ((40,), (5,), 3, {"dilation": 5, "padding": 4}),
    "dilation and stride": ((13, 16), (3, 5), 17, {"dilation": (3, 1), "stride": (1, 2), "padding": 2}),
    "3-D": ((4, 6, 7), (3, 3, 3), 2, {"padding": 1}),
    "3-D, stride": ((6, 7, 8), (3, 3, 3), 2, {"stride": 2, "padding": 1}),
    "3-D, stride above kernel": ((7, 5, 6), (2, 3, 3), 2, {"stride": (3, 1, 1)}),
    "3-D, dilation": ((7, 6, 5), (2, 3, 3), 2, {"dilation": (2, 1, 1), "padding": 1}),
}  # fmt: skip


def described(name: str) -> Case:
    size, kernel, channels, keywords = SHAPES[name]
    return Case(size, kernel, cin=channels, cout=OUT, **keywords)


PAIRS = [
    (algorithm, name) for algorithm in ALGORITHMS for name in SHAPES if served(algorithm, described(name))
]
every_shape = pytest.mark.parametrize(("algorithm", "name"), PAIRS)


@functools.cache
def weights(name: str, dtype: str = "float32") -> Array:
    _, kernel, channels, _ = SHAPES[name]
    return data((OUT, channels, *kernel), dtype, 1)


@functools.cache
def one_at_each_position(name: str, value: float) -> Array:
    """As many images as pixels, the value at another pixel of each."""
    size, _, channels, _ = SHAPES[name]
    pixels = math.prod(size)
    x = data((pixels, channels, *size), "float32")
    where = np.arange(pixels)
    x.reshape(pixels, channels, -1)[where, where % channels, where] = value
    return x


@functools.cache
def right_at_each_position(name: str, value: float) -> Array:
    return right(one_at_each_position(name, value), weights(name), **SHAPES[name][3])


@pytest.mark.parametrize("value", [nan, 1e20])
@every_shape
def test_a_value_at_every_position(algorithm: str, name: str, value: float, isa: str) -> None:
    """All images in one call, so that tiles beside each other are spoiled and not."""
    x, want = one_at_each_position(name, value), right_at_each_position(name, value)
    how = {"padding": 0} | SHAPES[name][3]
    # The layouts, and blocks of two tiles or of many, by turns.
    turn = list(ALGORITHMS).index(algorithm) + list(SHAPES).index(name) + int(value == 1e20)
    with cases.small_tiles(bool(turn // 2 % 2)):
        check(algorithm, x, weights(name), cases.LAYOUTS[turn % 2], want=want, **how)


@every_shape
def test_a_value_at_every_position_of_an_image_by_itself(algorithm: str, name: str, isa: str) -> None:
    x, want = one_at_each_position(name, -inf), right_at_each_position(name, -inf)
    how = {"padding": 0} | SHAPES[name][3]
    for i in range(0, len(x), 9):
        check(algorithm, x[i : i + 1], weights(name), cases.LAYOUTS[i % 2], want=want[i : i + 1], **how)


@every_shape
def test_it_reaches_the_outputs_whose_field_holds_it_and_no_other(
    algorithm: str, name: str, isa: str
) -> None:
    """Said by the places of taps, not by arithmetic: also of taps that fill a phase or a run up."""
    case = described(name)
    keywords = SHAPES[name][3]
    x = one_at_each_position(name, nan)
    spoiled = np.isnan(conv(algorithm, x, weights(name), **keywords)).reshape(len(x), OUT, -1)
    assert (spoiled == spoiled[:, :1]).all()  # no weight is zero
    holds = over_fields(algorithm, case, magnitudes(algorithm, case, np.isnan(x).astype(np.float32)))
    np.testing.assert_array_equal(spoiled[:, 0], holds.reshape(len(x), -1) > 0)
    reached = spoiled[:, 0].any(1)
    # Pixels that only taps that are not there would meet: those behind the last output, or between strides.
    met = np.zeros((1, 1, *case.spatial), bool)
    pads = case.keywords["padding"] if isinstance(case.keywords["padding"], int) else 0
    for index in np.ndindex(*case.spatial):
        fields = [p.field - pads for p in places(algorithm, case)[3 - case.rank :]]
        met[(0, 0, *index)] = all((f == i).any() for f, i in zip(fields, index, strict=True))
    np.testing.assert_array_equal(reached, met.reshape(-1))


@pytest.mark.parametrize("mode", cases.MODES)
@every_shape
def test_values_that_a_border_repeats(algorithm: str, name: str, mode: str, isa: str) -> None:
    size, _, channels, keywords = SHAPES[name]
    rng = np.random.default_rng(len(name))
    x = data((3, channels, *size), "float32")
    for image, value in zip(x, (nan, 1e20, 1e6), strict=True):
        image.reshape(-1)[rng.integers(image.size)] = value
        image[(-1, *[-1] * len(size))] = value
    for padding in (2, tuple((i % 2 * 3, 4 - i) for i in range(len(size))), "same"):
        how = keywords | {"padding": padding, "padding_mode": mode}
        if served(algorithm, case_of(x, weights(name), **how)):
            check(algorithm, x, weights(name), cases.LAYOUTS[len(mode) % 2], **how)


@every_shape
def test_sentinels_do_not_drown_what_does_not_see_them(algorithm: str, name: str, isa: str) -> None:
    size, _, channels, keywords = SHAPES[name]
    for dtype, values, limit in (("float32", (1e8, 1e20), 1e-5), ("float64", (1e18, 1e300), 1e-13)):
        w = weights(name, dtype) / W_SCALE
        for value in values:
            x = data((4, channels, *size), dtype)
            where = np.random.default_rng(3).random((4, *size)) < 0.02
            x[:, 0][where] = value
            want = right(x, w, **keywords)
            case = case_of(x, w, **keywords)
            loudest = over_fields(algorithm, case, magnitudes(algorithm, case, x))
            unseen = np.broadcast_to(loudest.reshape(4, 1, *case.pixels) < 1e6, want.shape)
            assert unseen.any()
            y = conv(algorithm, x, w, **keywords)
            error = math.sqrt(np.square((y - want)[unseen]).sum() / np.square(want[unseen]).sum())
            assert error <= limit, value
            check(algorithm, x, w, "channels_last", want=want, **({"padding": 0} | keywords))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_random_values_at_random_places(algorithm: str, isa: str) -> None:
    """Whatever the shape, its border, groups and batch: what is computed again equals gemm."""
    check_random_values(algorithm, random_cases(5, 90, "normal", algorithm, 100_000))


@every_shape
def test_ordinary_data_are_not_recomputed(algorithm: str, name: str, isa: str) -> None:
    size, _, _, keywords = SHAPES[name]
    normal = data((2, 32, *(2 * n for n in size)), "float32")
    w = data((8, 32, *weights(name).shape[2:]), "float32", 1)
    for x in (normal, np.maximum(normal, 0), normal + normal.dtype.type(3), np.zeros_like(normal)):
        with fallbacks(False):
            conv(algorithm, x, w, **keywords)


@every_shape
def test_an_image_is_the_same_beside_any_other(algorithm: str, name: str, isa: str) -> None:
    """Bit by bit: whether a tile is recomputed does not depend on the others of its block."""
    _, _, _, keywords = SHAPES[name]
    x = one_at_each_position(name, nan)
    together = conv(algorithm, x, weights(name), **keywords)
    for i in range(0, len(x), 3):
        alone = conv(algorithm, x[i : i + 1], weights(name), **keywords)
        assert alone.tobytes() == together[i].tobytes(), i


@every_shape
def test_weights_that_are_not_finite_are_left_to_gemm(algorithm: str, name: str, isa: str) -> None:
    x = one_at_each_position(name, nan)[:3]
    w = weights(name).copy()
    w[2].flat[-1] = inf
    before = _core._kernel_runs()["winograd"]
    function = getattr(npconv, f"conv{w.ndim - 2}d")
    y = function(x, w, algorithm=algorithm, **SHAPES[name][3])
    assert _core._kernel_runs()["winograd"] == before
    assert y.tobytes() == function(x, w, algorithm="gemm", **SHAPES[name][3]).tobytes()
