# SPDX-License-Identifier: BSD-3-Clause
"""Tiles that Winograd's transforms would spoil are computed directly, and then equal algorithm="gemm".

A non-finite value reaches the outputs whose window holds it and no other; a sentinel does not drown the
pixels beside it; what is finite does not overflow on the way; ordinary data are never recomputed.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import cases
import npconv
import numpy as np
import pytest
import reference
import winograd_cases
from cases import Case
from npconv import _core
from reference import Array
from winograd_cases import (
    ALGORITHMS,
    TYPICAL,
    channels_first,
    conv,
    fallbacks,
    in_layout,
    winograd_runs,
)
from winograd_tiles import case_of, flagged, flagged_outputs, magnitudes, over_fields, tile_unit

SIZE = (13, 14)
CHANNELS, OUT = 5, 9
nan, inf = math.nan, math.inf


@functools.cache
def weights(kind: str, dtype: str) -> Array:
    w = np.random.default_rng(1).standard_normal((OUT, CHANNELS, 3, 3)).astype(dtype)
    if kind == "plus":  # zeros at the corners: zero times infinity is NaN
        w[:, :, ::2, ::2] = 0
    return w


def data(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def right(x: Array, w: Array, bias: Array | None = None, **how: Any) -> Array:
    wide: Any = np.float64 if x.dtype == np.float32 else np.longdouble
    with np.errstate(invalid="ignore"):
        return reference.conv(x, w, bias, spatial_rank=w.ndim - 2, accumulate=wide, **how)


def check(algorithm: str, x: Array, w: Array, layout: str, *, want: Array | None = None, **how: Any) -> None:
    """What must be recomputed equals gemm, what is not finite is where it belongs, the rest in the bound."""
    how = {"padding": 1, "layout": layout} | how
    placed = in_layout(x, layout)
    direct = channels_first(conv("gemm", placed, w, **how), layout)
    case = case_of(x, w, **how)
    tiles = flagged_outputs(algorithm, case, x)
    with fallbacks(bool(tiles.any())):
        y = channels_first(conv(algorithm, placed, w, **how), layout)
    np.testing.assert_array_equal(y[tiles], direct[tiles])
    if want is None:
        want = right(x, w, **{k: v for k, v in how.items() if k not in ("layout", "num_threads")})
    known = np.isfinite(want)
    np.testing.assert_array_equal(y[~known], want[~known])
    allowed = TYPICAL[algorithm] * tile_unit(algorithm, case, x, w)
    assert (abs(y[known] - want[known]) <= allowed[known]).all()


# ---- NaN and infinity --------------------------------------------------------------------------------------


@functools.cache
def one_at_each_position(value: float, dtype: str) -> Array:
    """As many images as pixels, the value at another pixel of each."""
    pixels = math.prod(SIZE)
    x = data((pixels, CHANNELS, *SIZE), dtype)
    where = np.arange(pixels)
    x.reshape(pixels, CHANNELS, -1)[where, where % CHANNELS, where] = value
    return x


@functools.cache
def right_at_each_position(value: float, dtype: str, kind: str) -> Array:
    return right(one_at_each_position(value, dtype), weights(kind, dtype), padding=1)


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("kind", ["normal", "plus"])
@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_value_at_every_position(algorithm: str, value: float, kind: str, layout: str, isa: str) -> None:
    """All images in one call, so that tiles beside each other are spoiled and not."""
    want = right_at_each_position(value, "float32", kind)
    x, w = one_at_each_position(value, "float32"), weights(kind, "float32")
    check(algorithm, x, w, layout, want=want)
    with cases.small_tiles():
        check(algorithm, x, w, layout, want=want)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_value_at_every_position_of_an_image_by_itself(algorithm: str, isa: str) -> None:
    want = right_at_each_position(nan, "float64", "normal")
    x, w = one_at_each_position(nan, "float64"), weights("normal", "float64")
    for i in range(len(x)):
        check(algorithm, x[i : i + 1], w, cases.LAYOUTS[i % 2], want=want[i : i + 1])


@pytest.mark.parametrize("mode", cases.MODES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_values_that_a_border_repeats(algorithm: str, mode: str, isa: str) -> None:
    x = data((4, CHANNELS, *SIZE), "float32")
    for i, (row, column) in enumerate(((0, 0), (12, 1), (2, 13), (11, 12))):
        x[i, 2, row, column] = (nan, inf, -inf, 1e20)[i]
    for padding in (2, ((3, 0), (0, 5)), "same"):
        for layout in cases.LAYOUTS:
            check(algorithm, x, weights("normal", "float32"), layout, padding=padding, padding_mode=mode)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_infinities_of_both_signs_in_a_window_are_nan(algorithm: str, isa: str) -> None:
    x = data((1, CHANNELS, *SIZE), "float32")
    x[0, 0, 5, 5], x[0, 1, 6, 6] = inf, -inf
    w = abs(weights("normal", "float32"))
    check(algorithm, x, w, "channels_first")
    y = conv(algorithm, x, w, padding=1)
    assert np.isnan(y[0, :, 5:7, 5:7]).all()
    assert (y[0, :, 4, 4:7] == inf).all()
    assert (y[0, :, 7, 5:8] == -inf).all()


@pytest.mark.parametrize("value", [nan, inf])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_of_weights_that_are_not_finite_gemm_does_it_all(algorithm: str, value: float, isa: str) -> None:
    x = data((2, CHANNELS, *SIZE), "float32")
    for at in ((0, 0, 0, 0), (8, 4, 1, 1), (3, 2, 2, 1)):
        w = weights("normal", "float32").copy()
        w[at] = value
        for layout in cases.LAYOUTS:
            how: Any = {"padding": 1, "layout": layout, "activation": "relu"}
            with winograd_runs(False):
                y = npconv.conv2d(in_layout(x, layout), w, algorithm=algorithm, **how)
            direct = npconv.conv2d(in_layout(x, layout), w, algorithm="gemm", **how)
            assert y.tobytes() == direct.tobytes()
            others = np.arange(OUT) != at[0]
            assert np.isfinite(channels_first(y, layout)[:, others]).all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_groups_beside_one_that_is_not_finite(algorithm: str, isa: str) -> None:
    """A value touches its group alone, and the tiles of the others are not recomputed."""
    x, w = data((1, 3 * 4, *SIZE), "float32"), data((3 * 6, 4, 3, 3), "float32", 1)
    clean = conv(algorithm, x, w, padding=1, groups=3)
    x[0, 5, 7, 7] = nan
    y = conv(algorithm, x, w, padding=1, groups=3)
    assert y[:, :6].tobytes() == clean[:, :6].tobytes()
    assert y[:, 12:].tobytes() == clean[:, 12:].tobytes()
    spoiled = np.isnan(y[0, 6:12])
    assert spoiled[:, 6:9, 6:9].all()
    assert spoiled.sum() == 6 * 9


# ---- sentinels ---------------------------------------------------------------------------------------------


def diagonal(shape: tuple[int, int]) -> Array:
    return np.eye(*shape, dtype=bool)


def cross(shape: tuple[int, int]) -> Array:
    mask = np.zeros(shape, bool)
    mask[shape[0] // 2] = mask[:, shape[1] // 3] = True
    return mask


def area(shape: tuple[int, int]) -> Array:
    mask = np.zeros(shape, bool)
    mask[shape[0] // 3 :, : shape[1] // 2] = True
    return mask


def pixel(shape: tuple[int, int]) -> Array:
    mask = np.zeros(shape, bool)
    mask[shape[0] // 2, shape[1] // 2] = True
    return mask


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("where", [pixel, area, diagonal, cross])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_sentinels(algorithm: str, where: Any, dtype: str, isa: str) -> None:
    """Outputs that do not see them are as exact as if there were none."""
    size = (26, 27)
    w = weights("normal", dtype) * np.asarray(2.0**-8, dtype)  # 3e38 leaves no room for larger ones
    for value in (1e8, 1e20, 3e38) if dtype == "float32" else (1e18, 1e300):
        for channel in (0, slice(None)):
            x = data((1, CHANNELS, *size), dtype)
            x[:, channel, where(size)] = value
            want = right(x, w, padding=1)
            if channel == 0:
                assert (abs(want) < np.finfo(dtype).max).all()
            for layout in cases.LAYOUTS:
                if channel == 0 or value < 1e38:
                    check(algorithm, x, w, layout, want=want)
            if channel == 0:
                case = case_of(x, w, padding=1)
                seen = over_fields(algorithm, case, magnitudes(algorithm, case, x))[:, :, 0]
                y = conv(algorithm, x, w, padding=1)
                unseen = np.broadcast_to(seen < 1e6, y.shape)
                error = math.sqrt(np.square((y - want)[unseen]).sum() / np.square(want[unseen]).sum())
                assert error <= (1e-5 if dtype == "float32" else 1e-13)


def check_random_values(algorithm: str, drawn: list[Case]) -> None:
    """Of values that are not finite, or too large, at random places of each case."""
    rng = np.random.default_rng(6)
    names = ("stride", "padding", "dilation", "padding_mode", "groups", "flip")
    for i, case in enumerate(drawn):
        if case.single or case.batch is None:
            continue
        dtype, layout = cases.DTYPES[i % 2], cases.LAYOUTS[i // 2 % 2]
        arrays = cases.arrays(case)
        x, w = arrays.x.astype(dtype), arrays.w.astype(dtype)
        places = rng.integers(x.size, size=rng.integers(1, 5))
        x.reshape(-1)[places] = rng.choice([nan, inf, -inf, 1e4, -1e10, 1e25], len(places))
        how: Any = {name: case.keywords[name] for name in names}
        with cases.small_tiles(bool(i % 3)):
            check(algorithm, x, w, layout, num_threads=1 + i % 3, **how)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_random_values_at_random_places(algorithm: str, isa: str) -> None:
    """Whatever the map, its border, groups and batch: what is computed again equals gemm."""
    check_random_values(algorithm, winograd_cases.random_cases(17, 120, "normal"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_range_is_256_and_no_less(algorithm: str, isa: str) -> None:
    """An output in a corner of its tile sees ones, another one the large pixel; in every tile of the map."""
    seen = set()
    for height, width in ((12, 12), (5, 7), (3, 13)):
        for row, column in ((0, 0), (height - 1, 0), (0, width - 1), (height // 2, width - 1)):
            for factor, recomputed in ((256, False), (256.001, True), (1e4, True)):
                x = np.ones((1, 3, height, width), np.float32)
                x[0, 1, row, column] = factor
                w = np.ones((4, 3, 3, 3), np.float32)
                expected = bool(flagged(algorithm, case_of(x, w, padding=1), x).any())
                assert expected <= recomputed
                seen.add(expected)
                with fallbacks(expected):
                    conv(algorithm, x, w, padding=1)
    assert seen == {False, True}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_beside_any_value_outputs_that_see_zeros_alone_are_zero(algorithm: str, isa: str) -> None:
    w = weights("normal", "float32")[:, :3]
    for value in (1e-3, 1.0, 1e8, 1e20):
        x = np.zeros((1, 3, 12, 12), np.float32)
        x[0, 1, 5, 5] = value
        with fallbacks(True):
            y = conv(algorithm, x, w, padding=1)
        seen = np.zeros((12, 12), bool)
        seen[4:7, 4:7] = True
        assert (y[..., ~seen] == 0).all()
        with fallbacks(False):  # zeros everywhere are nothing to be computed anew
            assert (conv(algorithm, np.zeros_like(x), w, padding=1) == 0).all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(("dtype", "tiny"), [("float32", 1e-42), ("float64", 1e-310)])
def test_numbers_below_the_smallest_normal_one_are_as_exact_as_others(
    algorithm: str, dtype: str, tiny: float, isa: str
) -> None:
    x = np.random.default_rng(1).standard_normal((1, 5, 13, 14)).astype(dtype)
    w = np.random.default_rng(2).standard_normal((9, 5, 3, 3)).astype(dtype)
    for a, b in ((x * x.dtype.type(1e10), (w * tiny).astype(dtype)), ((x * tiny).astype(dtype), w)):
        np.testing.assert_array_equal(conv(algorithm, a, b, padding=1), conv("gemm", a, b, padding=1))


# ---- overflow ----------------------------------------------------------------------------------------------

# (dtype, exponent of x, exponent of w): their products are finite, and so are the sums of 45 of them.
EXTREMES = [
    ("float32", 127, -12), ("float32", -60, 124), ("float32", 60, 58), ("float32", 57, 57),
    ("float32", 53, 53), ("float32", 48, 48), ("float32", 124, -140), ("float32", 0, 114),
    ("float32", 114, 0), ("float32", 20, 90), ("float32", -60, 128), ("float32", -2, 121),
    ("float64", 1022, -12), ("float64", -500, 1017), ("float64", 505, 504), ("float64", 490, 490),
    ("float64", 0, 1010), ("float64", 1010, 0), ("float64", -500, 1018),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "of_x", "of_w"), EXTREMES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nothing_overflows_on_the_way_to_a_finite_result(
    algorithm: str, dtype: str, of_x: int, of_w: int, isa: str
) -> None:
    """x and w between a half and one, of either sign, scaled: as large as they may be at the same time."""
    rng = np.random.default_rng(4)

    def scaled(shape: tuple[int, ...], exponent: int) -> Array:
        values = rng.choice([-1, 1], shape) * (1 + rng.random(shape)) / 2
        return np.ldexp(values, exponent).astype(dtype)

    x, w = scaled((1, CHANNELS, *SIZE), of_x), scaled((OUT, CHANNELS, 3, 3), of_w)
    want = right(x, w, padding=1)
    assert (abs(want) <= np.finfo(dtype).max).all()
    y = conv(algorithm, x, w, padding=1)
    assert np.isfinite(y).all()
    assert (abs(y - want) <= TYPICAL[algorithm] * tile_unit(algorithm, case_of(x, w, padding=1), x, w)).all()


# ---- what follows: epilogue, memory, and none of it where data are ordinary --------------------------------


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bias_residual_in_place_and_activation(algorithm: str, layout: str, isa: str) -> None:
    """The residual of a tile that is computed again has not been overwritten, nor is it added twice."""
    x = data((2, CHANNELS, 26, 27), "float32")
    x[0, 2, 3, 4], x[0, 1, 25, 26], x[1, 0, 12, 13] = nan, inf, 1e9
    w, bias = weights("normal", "float32"), data((OUT,), "float32", 2)
    r = in_layout(data((2, OUT, 26, 27), "float32", 3), layout)
    placed = in_layout(x, layout)
    case = case_of(x, w, padding=1)
    again = flagged_outputs(algorithm, case, x)
    # Both have an error, gelu is steeper than 1, and bias and residual are added.
    allowed = 3 * TYPICAL[algorithm] * tile_unit(algorithm, case, x, w) + 1e-5
    for activation in ("relu", None, "gelu"):
        how: Any = {"padding": 1, "layout": layout, "activation": activation}
        direct = npconv.conv2d(placed, w, bias, residual=r, algorithm="gemm", **how)
        first = conv(algorithm, placed, w, bias, residual=r, **how)
        for threads in (1, 2, 3):
            out = r.copy()
            with fallbacks(True):
                y = conv(algorithm, placed, w, bias, residual=out, out=out, num_threads=threads, **how)
            assert y is out
            assert y.tobytes() == first.tobytes()
        got, expected = channels_first(first, layout), channels_first(direct, layout)
        np.testing.assert_array_equal(got[again], expected[again])
        known = np.isfinite(expected)
        np.testing.assert_array_equal(got[~known], expected[~known])
        assert (abs(got[known] - expected[known]) <= allowed[known]).all()


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_ordinary_data_are_not_recomputed(algorithm: str, dtype: str, layout: str, isa: str) -> None:
    normal = data((1, 64, 40, 41), dtype)
    w = data((24, 64, 3, 3), dtype, 1)
    for x in (normal, np.maximum(normal, 0), normal + normal.dtype.type(3), np.zeros_like(normal)):
        with fallbacks(False):
            conv(algorithm, in_layout(x, layout), w, padding=1, layout=layout)
    for x in (normal[:, :1], normal[:, :3]):
        with fallbacks(False):
            conv(algorithm, in_layout(x, layout), w[:, : x.shape[1]], padding=1, layout=layout)


def test_the_checks_can_be_turned_off_to_measure_them(isa: str) -> None:
    x, w = one_at_each_position(nan, "float32")[:3], weights("normal", "float32")
    _core._set_winograd_checks(False)
    try:
        with fallbacks(False):
            spoiled = conv("winograd", x, w, padding=1)
    finally:
        _core._set_winograd_checks(True)
    with fallbacks(True):
        assert np.isnan(conv("winograd", x, w, padding=1)).sum() < np.isnan(spoiled).sum()
