# SPDX-License-Identifier: BSD-3-Clause
"""The oracle of pooling itself, which needs no npconv: hand-written examples of every rule; literal loops."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import numpy as np
import pool_cases
import pytest
import reference_pool as ref
from pool_cases import Pool
from reference import paddings, per_axis

NAN, INF = math.nan, math.inf


def line(*numbers: float, dtype: Any = np.float64) -> Any:
    return np.array(numbers, dtype)


def is_line(got: Any, *numbers: float) -> None:
    np.testing.assert_array_equal(got, np.array(numbers))


# ---- windows -----------------------------------------------------------------------------------------------

# n, kernel, stride, padding, dilation: outputs without and with ceil_mode (0: an error)
SIZES = [
    (5, 2, 2, 0, 1, 2, 3),
    (6, 2, 2, 0, 1, 3, 3),
    (3, 2, 2, 1, 1, 2, 2),  # a third window would start in the right padding
    (4, 2, 2, 1, 1, 3, 3),
    (2, 3, 2, 0, 1, 0, 1),  # larger than the input, but ceil_mode lets it hang over
    (2, 3, 5, 0, 1, 0, 1),  # -1 / 5 is -1 and not 0
    (1, 3, 1, 0, 1, 0, 0),
    (1, 2, 1, ((1, 0),), 1, 1, 1),
    (7, 3, 2, 0, 2, 2, 2),
    (8, 3, 2, 0, 2, 2, 3),
    (5, 3, 3, ((2, 0),), 1, 2, 3),
    (5, 3, 2, "same", 1, 3, 3),
    (5, 1, 4, "same", 1, 2, 2),
    (6, 2, 4, "causal", 3, 2, 2),
    (5, 3, 1, "full", 1, 7, 7),
    (5, 3, 2, "valid", 1, 2, 2),
    (10**6, 2, 10**6, 0, 1, 1, 1),
]


@pytest.mark.parametrize("row", SIZES, ids=str)
def test_the_number_of_windows(row: Any) -> None:
    n, kernel, stride, padding, dilation, *outputs = row
    for ceil, wanted in zip((False, True), outputs, strict=True):
        if wanted:
            assert ref.sliding((n,), kernel, stride, padding, dilation, ceil).outputs == (wanted,)
        else:
            with pytest.raises(ValueError, match="no window"):
                ref.sliding((n,), kernel, stride, padding, dilation, ceil)


def test_padding_must_stay_below_the_effective_kernel() -> None:
    for padding in (3, ((0, 3),), ((4, 0),)):
        with pytest.raises(ValueError, match="not below"):
            ref.sliding((9,), 3, 1, padding)
    assert ref.sliding((9,), 3, 1, 4, 2).outputs == (13,)
    assert ref.sliding((9,), 3, 1, 7, any_padding=True).outputs == (21,)


def test_stride_is_the_kernel_unless_told() -> None:
    assert ref.sliding((9, 8), (3, 2)).outputs == (3, 4)
    assert ref.sliding((9, 8), (3, 2), 1).outputs == (7, 7)


def test_windows_of_a_plane_are_in_row_major_order() -> None:
    windows = ref.sliding((3, 4), 2, 1)
    assert windows.outputs == (2, 3)
    assert windows.index[[0, 1, 3]].tolist() == [[0, 1, 4, 5], [1, 2, 5, 6], [4, 5, 8, 9]]
    volume = ref.sliding((2, 2, 2), 2)
    assert volume.index.tolist() == [[0, 1, 2, 3, 4, 5, 6, 7]]


def test_adaptive_windows() -> None:
    assert ref.adaptive((5,), 3).index.tolist() == [[0, 1, 0], [1, 2, 3], [3, 4, 0]]
    assert ref.adaptive((5,), 3).real.sum(-1).tolist() == [2, 3, 2]
    assert ref.adaptive((2,), 3).real.sum(-1).tolist() == [1, 2, 1]
    assert ref.adaptive((4, 6), (None, 2)).outputs == (4, 2)
    assert ref.adaptive((3, 3), 1).real.all()


# ---- maxima ------------------------------------------------------------------------------------------------


def max_of(x: Any, *args: Any, **how: Any) -> tuple[Any, list[Any]]:
    y, places = ref.max_pool(x, *args, rank=x.ndim, **how)
    assert y.dtype == x.dtype
    assert places.dtype == np.int64
    return y, places.tolist()


def test_the_first_of_equal_maxima_and_the_last_nan_win() -> None:
    y, places = max_of(line(2, 2, 1), 3)
    assert (y.tolist(), places) == ([2], [0])
    y, places = max_of(line(1, NAN, 3, NAN, 2, 7), 3, stride=1)
    is_line(y, NAN, NAN, NAN, NAN)
    assert places == [1, 3, 3, 3]
    y, places = max_of(line(INF, NAN, 0, 0, -1, 5), 3)
    is_line(y, NAN, 5)
    assert places == [1, 5]


def test_zeros_are_equal_whatever_their_sign() -> None:
    y, places = max_of(line(-0.0, 0.0, 0.0, -0.0), 2)
    assert (np.signbit(y).tolist(), places) == ([True, False], [0, 2])


def test_minima_are_the_maxima_of_an_order_turned_round() -> None:
    image = np.array([[1, 5, 2, 0], [3, 4, 1, 6]], np.uint8)
    y, places = ref.min_pool(image, 2, rank=2)
    assert (y.tolist(), places.tolist()) == ([[1, 0]], [[0, 3]])
    y, places = ref.min_pool(line(2, 1, 1, NAN, 3, NAN, -0.0, 0.0, 0.0), 3, rank=1)
    is_line(y, 1, NAN, -0.0)
    assert np.signbit(y).tolist()[2]
    assert places.tolist() == [1, 5, 6]
    how: Any = {"stride": 1, "padding": ((1, 2),), "dilation": 3}
    for dtype, high in ((np.float32, INF), (np.int8, 127), (np.uint8, 255), (np.int64, 2**63 - 1)):
        y, places = ref.min_pool(line(1, dtype=dtype), 2, rank=1, **how)
        assert (y.dtype, y.tolist(), places.tolist()) == (dtype, [high], [-1])
    x = np.random.default_rng(0).integers(-9, 9, (2, 3, 8, 9)).astype(np.float64)
    for layout in ("channels_first", "channels_last"):
        least, largest = (f(v, 3, rank=2, stride=2, padding=1, layout=layout) for f, v in (
            (ref.min_pool, x), (ref.max_pool, -x),
        ))  # fmt: skip
        np.testing.assert_array_equal(least[0], -largest[0])
        np.testing.assert_array_equal(least[1], largest[1])


def test_padding_never_wins() -> None:
    y, places = max_of(line(-INF, -INF), 3, stride=1, padding=1)
    is_line(y, -INF, -INF)
    assert places == [0, 0]
    y, places = max_of(line(-5, -3, dtype=np.int8), 2, padding=1)
    assert (y.tolist(), places) == ([-5, -3], [0, 1])


def test_a_window_of_padding_alone() -> None:
    how: Any = {"stride": 1, "padding": ((1, 2),), "dilation": 3}
    for dtype, low in ((np.float32, -INF), (np.int8, -128), (np.uint8, 0), (np.int64, -(2**63))):
        y, places = max_of(line(1, dtype=dtype), 2, **how)
        assert (y.tolist(), places) == ([low], [-1])
    assert np.isnan(ref.avg_pool(line(1), 2, rank=1, count_include_pad=False, **how)).all()
    is_line(ref.avg_pool(line(1), 2, rank=1, **how), 0)
    is_line(ref.avg_pool(line(1), 2, rank=1, divisor_override=3, count_include_pad=False, **how), 0)
    is_line(ref.lp_pool(line(1), 2, 2, rank=1, **how), 0)


def test_max_of_an_image_with_its_places() -> None:
    y, places = max_of(np.arange(16.0).reshape(4, 4), 2)
    assert y.tolist() == places == [[5, 7], [13, 15]]
    y, places = max_of(np.arange(16.0).reshape(4, 4), (2, 2), stride=2, dilation=(2, 1))
    assert y.tolist() == places == [[9, 11]]


def test_places_are_of_the_plane_in_both_layouts_and_all_forms() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    y, places = ref.max_pool(x, 2, rank=2)
    assert places.max() < 20
    last = ref.max_pool(np.moveaxis(x, 1, -1), 2, rank=2, layout="channels_last")
    for a, b in zip(last, (y, places), strict=True):
        np.testing.assert_array_equal(np.moveaxis(a, -1, 1), b)
    for a, b in zip(ref.max_pool(x[1], 2, rank=2), (y[1], places[1]), strict=True):
        np.testing.assert_array_equal(a, b)
    for layout in pool_cases.LAYOUTS:
        for a, b in zip(ref.max_pool(x[1, 2], 2, rank=2, layout=layout), (y, places), strict=True):
            np.testing.assert_array_equal(a, b[1, 2])


# ---- averages and norms ------------------------------------------------------------------------------------


def test_what_averages_count() -> None:
    x = line(3, 6, 9)
    is_line(ref.avg_pool(x, 3, rank=1, stride=2, padding=1), 3, 5)
    is_line(ref.avg_pool(x, 3, rank=1, stride=2, padding=1, count_include_pad=False), 4.5, 7.5)
    is_line(ref.avg_pool(x, 3, rank=1, stride=2, padding=1, divisor_override=-2), -4.5, -7.5)
    # the overhang of ceil_mode is not counted, the padding before it is
    is_line(ref.avg_pool(line(1, 2, 3, 4, 5), 3, rank=1, ceil_mode=True), 2, 4.5)
    six = line(1, 1, 1, 1, 1, 6)
    is_line(ref.avg_pool(six, 3, rank=1, padding=1, ceil_mode=True), 2 / ref.WIDE(3), 1, 3)
    is_line(ref.avg_pool(six, 3, rank=1, padding=1, ceil_mode=True, count_include_pad=False), 1, 1, 6)


def test_averages_are_long_doubles_of_what_is_there() -> None:
    y = ref.avg_pool(line(1, 1, 1, 0, 1e-9, 0, dtype=np.float32), 3, rank=1)
    assert y.dtype == np.longdouble
    assert y[1] == np.longdouble(np.float32(1e-9)) / 3
    is_line(ref.avg_pool(line(INF, 1, -INF, INF, NAN, 1), 2, rank=1), INF, NAN, NAN)


def test_norms() -> None:
    is_line(ref.lp_pool(line(3, -4), 2, 2, rank=1), 5)
    is_line(ref.lp_pool(line(3, -4), 1, 2, rank=1), 7)
    is_line(ref.lp_pool(line(4, 9), 0.5, 2, rank=1), 25)
    is_line(ref.lp_pool(line(0, 3), 3, 2, rank=1, padding=1), 0, 3)
    is_line(ref.lp_pool(line(-INF, 3, NAN, 1), 1.5, 2, rank=1), INF, NAN)


def test_adaptive_and_global() -> None:
    x = line(1, 2, 3, 4, 5)
    is_line(ref.adaptive_avg_pool(x, 3, rank=1), 1.5, 3, 4.5)
    y, places = ref.adaptive_max_pool(x, 3, rank=1)
    assert (y.tolist(), places.tolist()) == ([2, 4, 5], [1, 3, 4])
    stack = np.arange(24.0).reshape(1, 2, 3, 4)
    assert ref.global_avg_pool(stack, rank=2).tolist() == [[[[5.5]], [[17.5]]]]
    assert ref.global_avg_pool(stack, rank=2, keepdims=False).tolist() == [[5.5, 17.5]]
    last = np.moveaxis(stack, 1, -1)
    assert ref.global_avg_pool(last, rank=2, layout="channels_last").tolist() == [[[[5.5, 17.5]]]]
    y, places = ref.global_max_pool(stack[0], rank=2, keepdims=False)
    assert (y.tolist(), places.tolist()) == ([11, 23], [11, 11])
    assert ref.global_avg_pool(stack[0, 0], rank=2, keepdims=False).shape == ()


# ---- unpooling and unfolding -------------------------------------------------------------------------------


def test_unpooling() -> None:
    x, places = line(7, 8, 9), np.array([1, 4, 1])
    is_line(ref.max_unpool(x, places, 2, rank=1), 0, 9, 0, 0, 8, 0)  # the last of two at one place
    is_line(ref.max_unpool(x, places, 2, rank=1, output_size=7), 0, 9, 0, 0, 8, 0, 0)
    assert ref.unpooled_size((3, 4), (3, 2), 2, 0) == (7, 8)
    assert ref.unpooled_size((3, 4), 3, 2, ((1, 0), (1, 1))) == (6, 7)
    assert ref.unpooled_size((3, 4), 3, 2, "same") == (6, 8)
    assert ref.unpooled_size((5, 7), 3, 1, "full") == (3, 5)


def test_unfolding() -> None:
    x = np.arange(1.0, 7.0).reshape(2, 3)
    assert ref.unfold(x[None, None], (1, 2), rank=2).tolist() == [[[1, 2, 4, 5], [2, 3, 5, 6]]]
    two = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])  # two channels of a line
    assert ref.unfold(two, 2, rank=1).tolist() == [[1, 2], [2, 3], [10, 20], [20, 30]]
    last = ref.unfold(two.T, 2, rank=1, layout="channels_last")
    assert last.tolist() == [[1, 10, 2, 20], [2, 20, 3, 30]]
    assert ref.unfold(line(1, 2), 2, rank=1, padding=2).tolist() == [[0, 0, 1, 2, 0], [0, 1, 2, 0, 0]]
    assert ref.unfold(line(1, 2), 2, rank=1, layout="channels_last").tolist() == [[1, 2]]


def test_folding() -> None:
    columns = np.array([[1.0, 2.0], [3.0, 4.0]])  # two taps, two windows
    assert ref.fold(columns, 3, 2, rank=1).tolist() == [[1, 5, 4]]
    assert ref.fold(columns.T, 3, 2, rank=1, layout="channels_last").tolist() == [[1], [5], [4]]
    assert ref.fold(columns[None], 3, 2, rank=1, stride=3, padding=((1, 2),)).tolist() == [[[3, 0, 2]]]


# ---- gradients ---------------------------------------------------------------------------------------------


def test_gradients() -> None:
    g = line(1, 10, 100)
    is_line(ref.grad_max_pool(g, np.array([1, 1, -1]), (3,), rank=1), 0, 11, 0)
    is_line(ref.grad_avg_pool(line(2, 6), (3,), 2, rank=1, stride=1), 1, 4, 3)
    is_line(ref.grad_avg_pool(line(6, 6), (2,), 3, rank=1, stride=2, padding=2), 4, 2)
    is_line(ref.grad_avg_pool(line(4, 4), (3,), 2, rank=1, ceil_mode=True), 2, 2, 4)
    is_line(
        ref.grad_lp_pool(line(1, 10), line(3, -4, 0, 0), 2, 2, rank=1),
        ref.WIDE(3) / 5,
        -ref.WIDE(4) / 5,
        0,
        0,
    )
    is_line(ref.grad_adaptive_avg_pool(line(2, 3, 4), (5,), rank=1), 1, 2, 1, 3, 2)
    is_line(ref.grad_global_avg_pool(line(6)[0, ...], (3,), rank=1, keepdims=False), 2, 2, 2)
    is_line(ref.grad_global_max_pool(line(6), line(1, 3, 3), rank=1), 0, 6, 0)
    is_line(ref.grad_max_unpool(line(5, 6, 7), np.array([2, 2]), rank=1), 7, 7)
    assert ref.grad_unfold(np.ones((2, 2)), (3,), 2, rank=1).tolist() == [1, 2, 1]
    assert ref.grad_fold(np.array([[1.0, 2.0, 3.0]]), 2, rank=1).tolist() == [[1, 2], [2, 3]]


# ---- literal loops -----------------------------------------------------------------------------------------


def literal(case: Pool, plane: Any) -> tuple[list[float], list[int]]:
    """Values and places (of maxima) of one plane, pixel by pixel and tap by tap."""
    rank = case.rank
    kernel, dilation = per_axis(case.size, rank), per_axis(case.dilation, rank)
    stride = kernel if case.stride is None else per_axis(case.stride, rank)
    pads = paddings(case.padding, case.spatial, kernel, stride, dilation)
    result, places = [], []
    for pixel in itertools.product(*map(range, case.windows.outputs)):
        sign = -1 if case.op == "min" else 1
        best, place, total, real, counted = -sign * INF, -1, 0.0, 0, 0
        for tap in itertools.product(*map(range, kernel)):
            at = [
                o * s + t * d - before
                for o, s, t, d, (before, _) in zip(pixel, stride, tap, dilation, pads, strict=True)
            ]
            counted += all(a < n + after for a, n, (_, after) in zip(at, case.spatial, pads, strict=True))
            if not all(0 <= a < n for a, n in zip(at, case.spatial, strict=True)):
                continue
            value, real = float(plane[tuple(at)]), real + 1
            total += abs(value) ** case.norm if case.op == "lp" else value
            if place == -1 or sign * value > sign * best or math.isnan(value):
                best, place = value, int(np.ravel_multi_index(at, case.spatial))
        count = case.divisor or (counted if case.include else real)
        result.append(
            {
                "max": best,
                "min": best,
                "avg": total / count if count else NAN,
                "lp": total ** (1 / case.norm),
            }[case.op]
        )
        places.append(place)
    return result, places


@pytest.mark.parametrize("op", pool_cases.SLIDING)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_literal_loops(op: str, rank: int) -> None:
    r = random.Random(f"{op} {rank}")
    done = 0
    while done < 25:
        case = pool_cases.random_pool(r, op, rank, taps=1500)
        if not case.taps or case.data in ("nonfinite", "lowest", "highest"):
            continue
        done += 1
        x = pool_cases.input_of(case, "float64")
        solution = pool_cases.solve(case, "float64")
        for lead in np.ndindex(*case.lead):
            values, places = literal(case, x[lead])
            if op in ("max", "min"):
                assert solution.indices is not None
                assert solution.indices[lead].ravel().tolist() == places, case
            np.testing.assert_allclose(
                solution.y[lead].ravel().astype(float), values, rtol=1e-13, atol=1e-13, err_msg=repr(case)
            )
