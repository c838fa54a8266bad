# SPDX-License-Identifier: BSD-3-Clause
"""Gradients of pooling, unpooling and unfolding: as the oracle, as adjoints, and by finite differences."""

from __future__ import annotations

import functools
import random
from typing import Any

import npconv
import numpy as np
import pool_cases
import pytest
import reference_pool as ref
from arrangements import Result
from npconv import grad
from pool_cases import FLOATS, LAYOUTS, OPS, Pool
from pool_check import VIEWS, check_gradient, difference, place, ways
from reference import Array
from rules import ints, same, to_last

CASES_PER_OP = 90  # random ones of each rank, on each instruction set
RANKS = (1, 2, 3)
every_rank = pytest.mark.parametrize("rank", RANKS)
every_dtype = pytest.mark.parametrize("dtype", FLOATS)


def of(name: str, rank: int, module: Any = npconv) -> Any:
    return getattr(module, f"{name}{rank}d")


# ---- against the oracle ------------------------------------------------------------------------------------


@functools.cache
def random_cases(rank: int) -> list[tuple[Pool, dict[str, Any]]]:
    r = random.Random(f"gradients {rank}")
    result = []
    for op in OPS:
        for _ in range(CASES_PER_OP):
            case = pool_cases.for_gradient(pool_cases.random_pool(r, op, rank, taps=20_000))
            result.append((case, ways(r, case) | {"dtype": r.choice(FLOATS)}))
    return result


@every_rank
def test_random_cases(isa: str, rank: int) -> None:
    for case, how in random_cases(rank):
        check_gradient(case, isa=isa, **how)


@every_dtype
def test_overlapping_windows_add_up_around_every_vector(isa: str, dtype: str) -> None:
    for n in (*range(1, 40), 63, 64, 65, 127, 128, 129):
        for op in pool_cases.SLIDING:
            k, s = (2, 3, 2, 5)[n % 4], (1, 2, 1)[n % 3]
            if n >= k:
                case = Pool(op, (3, n), (2, k), stride=(1, s), data="normal", seed=n)
                check_gradient(case, isa=isa, dtype=dtype)
            case = Pool(op, (4, 3), 2, channels=n, stride=1, data="normal", seed=n)
            check_gradient(case, isa=isa, dtype=dtype, layout="channels_last", form="out")
        for op in (*pool_cases.ADAPTIVE, *pool_cases.GLOBAL):
            case = Pool(op, (2, n), None if "global" in op else (2, 3), channels=5, data="normal", seed=n)
            check_gradient(case, isa=isa, dtype=dtype, layout=LAYOUTS[n % 2], form=("call", "out")[n % 2])


@every_dtype
def test_equal_indices_are_added_in_row_major_order(dtype: str) -> None:
    """1e8 + 1 - 1e8 and the like: every order gives other bits, and one is promised."""
    rng = np.random.default_rng(3)
    for rank, shape in ((1, (40,)), (2, (6, 7)), (3, (3, 4, 5))):
        g = (rng.standard_normal((2, 3, *shape)) * 10.0 ** rng.integers(-4, 9, (2, 3, *shape))).astype(dtype)
        sizes = (5, 4, 3)[:rank]
        indices = rng.integers(-1, np.prod(sizes), g.shape)
        for name in ("max_pool", "min_pool", "adaptive_max_pool"):
            gradient = of(name, rank, grad)
            want = ref.grad_max_pool(g, indices, (2, 3, *sizes), rank=rank)
            same(gradient(g, indices, (2, 3, *sizes)), want)
            got = gradient(to_last(g, rank), to_last(indices, rank), (2, *sizes, 3), layout="channels_last")
            same(got, to_last(want, rank))
            same(gradient(g[0], indices[0], (3, *sizes)), want[0])
            same(gradient(g[0, 1], indices[0, 1], sizes), want[0, 1])


@every_dtype
def test_where_the_norm_is_zero_so_is_the_gradient(isa: str, dtype: str) -> None:
    x = np.zeros((2, 3, 8, 9), dtype)
    x[0, 1, 4, 4] = -3
    for norm in (1, 2, 3, 1.5, 0.5):
        y = npconv.lp_pool2d(x, norm, 2)
        got = grad.lp_pool2d(np.ones_like(y), x, norm, 2)
        want = np.zeros_like(x)
        want[0, 1, 4, 4] = -1
        others = np.ones(x.shape, bool)
        others[0, 1, 4:6, 4:6] = False  # zeros beside the -3, where p <= 1 has a corner
        np.testing.assert_array_equal(got[others], 0)
        np.testing.assert_allclose(got[0, 1, 4, 4], -1, rtol=1e-6)
        if norm > 1:
            np.testing.assert_allclose(got, want, rtol=1e-6)


# ---- indices -----------------------------------------------------------------------------------------------


@every_rank
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_gradient_of_a_maximum_goes_to_its_index(rank: int, layout: str, isa: str) -> None:
    x = ints((2, 3, 9, 8, 7)[: rank + 2], np.float64)
    if layout == "channels_last":
        x = to_last(x, rank)
    y, indices = of("max_pool", rank)(x, 3, stride=2, padding=1, return_indices=True, layout=layout)
    g = ints(y.shape, np.float64, 1)
    dx = of("max_pool", rank, grad)(g, indices, x.shape, layout=layout)
    assert (dx * x).sum() == (g * y).sum()
    assert np.count_nonzero(dx) <= y.size
    y = of("global_max_pool", rank)(x, layout=layout)
    g = ints(y.shape, np.float64, 2) + 9
    dx = of("global_max_pool", rank, grad)(g, x, layout=layout)
    assert (dx * x).sum() == (g * y).sum()
    assert np.count_nonzero(dx) == y.size


def test_the_gradient_of_a_global_maximum_goes_to_the_last_nan_or_the_first_maximum(isa: str) -> None:
    g = np.array([[5.0]])
    for n in (2, 5, 17, 64, 130):
        x = np.zeros((1, n))
        assert grad.global_max_pool2d(g, x).ravel().nonzero()[0].tolist() == [0]
        x[0, n // 2 :] = 1
        assert grad.global_max_pool2d(g, x).ravel().nonzero()[0].tolist() == [n // 2]
        x[0, [0, n // 2]] = np.nan
        assert grad.global_max_pool2d(g, x).ravel().nonzero()[0].tolist() == [n // 2]
        x[...] = -np.inf
        assert grad.global_max_pool2d(g, x).ravel().nonzero()[0].tolist() == [0]


# ---- adjoints ----------------------------------------------------------------------------------------------


def dot(a: Array, b: Array) -> int:
    """The inner product of small integers, in Python's own."""
    return sum(int(u) * int(v) for u, v in zip(a.ravel(), b.ravel(), strict=True))


def linear_cases(rank: int) -> list[dict[str, Any]]:
    """Arguments that avg_pool (whose padding stays below the kernel) and unfold both take."""
    return [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 1, "padding": 1},
        {"kernel_size": (2, 3, 2)[:rank], "stride": (3, 1, 2)[:rank], "padding": "same"},
        {"kernel_size": 3, "stride": 2, "padding": ((2, 0), (1, 2), (0, 1))[:rank], "dilation": 2},
        {"kernel_size": 2, "stride": 1, "padding": "full", "dilation": (3, 1, 2)[:rank]},
        {"kernel_size": (1, 3, 1)[:rank], "stride": 1, "padding": "causal"},
    ]


def shapes(rank: int, layout: str) -> list[tuple[int, ...]]:
    sizes = (7, 8, 6)[:rank]
    last = layout == "channels_last"
    return [(2, *sizes, 3) if last else (2, 3, *sizes), (*sizes, 3) if last else (3, *sizes), sizes]


@every_rank
@every_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sums_and_their_gradients_are_adjoint(rank: int, dtype: str, layout: str, isa: str) -> None:
    """avg_pool with divisor 1, on integers: <pool(x), g> == <x, gradient(g)> exactly."""
    pool, gradient = of("avg_pool", rank), of("avg_pool", rank, grad)
    for keywords in linear_cases(rank):
        for ceil_mode in (False, True):
            how = keywords | {"divisor_override": 1, "layout": layout, "ceil_mode": ceil_mode}
            for seed, shape in enumerate(shapes(rank, layout)):
                x = ints(shape, dtype, seed)
                y = pool(x, **how)
                g = ints(y.shape, dtype, seed + 10)
                dx = gradient(g, x.shape, **how)
                assert (dx.shape, dx.dtype) == (x.shape, x.dtype)
                assert dot(y, g) == dot(x, dx), (how, shape)


@every_rank
@every_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
def test_unfold_and_fold_are_adjoint_and_as_the_oracle(rank: int, dtype: str, layout: str) -> None:
    unfold, fold = of("unfold", rank), of("fold", rank)
    more: dict[str, Any] = {"kernel_size": 2, "padding": 5, "stride": 3}  # padding beyond the kernel
    for keywords in [*linear_cases(rank), more]:
        how = {"layout": layout} | keywords
        kernel = how.pop("kernel_size")
        for seed, shape in enumerate(shapes(rank, layout)):
            x = ints(shape, dtype, seed)
            columns = unfold(x, kernel, **how)
            same(columns, ref.unfold(x, kernel, rank=rank, **how))
            g = ints(columns.shape, dtype, seed + 10)
            sizes = ref.spatial_of(shape, rank, layout)
            folded = fold(g, sizes, kernel, **how)
            same(folded, ref.fold(g, sizes, kernel, rank=rank, **how).astype(dtype))
            assert dot(columns, g) == dot(x, folded), (how, shape)
            same(of("unfold", rank, grad)(g, x.shape, kernel, **how), folded.reshape(shape))
            if len(shape) > rank:
                same(of("fold", rank, grad)(x, kernel, **how), columns)


@pytest.mark.parametrize("layout", LAYOUTS)
@every_dtype
def test_random_unfolding(dtype: str, layout: str) -> None:
    """All arguments, all memory; real numbers are copied to the bit, and added within the bound."""
    r = random.Random(dtype + layout)
    rng = np.random.default_rng(1)
    done = 0
    while done < 120:
        case = pool_cases.random_pool(r, "avg", taps=6_000)
        if case.ceil or case.batch == 0 or case.channels == 0:
            continue
        done += 1
        rank, last = case.rank, layout == "channels_last" and not case.single
        x = pool_cases.values(r.choice(("normal", "special")), case.x_shape, dtype, rng)
        x = np.moveaxis(x, -1 - rank, -1) if last else x
        stride = r.choice((1, case.stride or 2))
        how = {"stride": stride, "padding": case.padding, "dilation": case.dilation, "layout": layout}
        view = r.choice(VIEWS)
        threads: Any = {"num_threads": r.choice((None, 1, 3))}
        columns = of("unfold", rank)(place(x, view, rng), case.size, **how, **threads)
        want = ref.unfold(x, case.size, rank=rank, **how)
        assert difference(columns, want, None) is None, (case, how)
        batched = case.batch is not None and not case.single
        canvas = Result(columns.shape, dtype, batched, rng)
        call = {**how, **threads, "out": canvas.out}
        assert of("unfold", rank)(place(x, view, rng), case.size, **call) is canvas.out
        assert difference(canvas.out, columns, None) is None, (case, how)
        assert canvas.damage() is None, (case, how)
        g = rng.standard_normal(columns.shape).astype(dtype)
        got = of("fold", rank)(place(g, view, rng), case.spatial, case.size, **how)
        exact = ref.fold(g, case.spatial, case.size, rank=rank, **how)
        most = np.prod(np.atleast_1d(case.size)) ** (rank if np.ndim(case.size) == 0 else 1)
        magnitude = ref.fold(abs(g), case.spatial, case.size, rank=rank, **how)
        allowed = pool_cases.rounding(int(most) + 2, dtype) * magnitude + np.finfo(dtype).tiny
        assert difference(got, exact, allowed) is None, (case, how)
        canvas = Result(got.shape, dtype, batched, rng)
        call = {**how, **threads, "out": canvas.out}
        assert of("fold", rank)(place(g, view, rng), case.spatial, case.size, **call) is canvas.out
        assert difference(canvas.out, got, None) is None, (case, how)
        assert canvas.damage() is None, (case, how)


def test_a_fold_of_ones_counts_the_windows_of_each_pixel() -> None:
    x = np.ones((1, 2, 5, 6), np.float32)
    counts = npconv.fold2d(npconv.unfold2d(x, 3), (5, 6), 3)
    np.testing.assert_array_equal(counts[0, 1, 2], [3, 6, 9, 9, 6, 3])


# ---- unpooling ---------------------------------------------------------------------------------------------


@every_rank
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", pool_cases.DTYPES)
def test_unpooling_puts_back_what_pooling_took(rank: int, dtype: str, layout: str) -> None:
    x = np.arange(2 * 3 * 6 * 4 * 8, dtype=np.int64).reshape(2, 3, 6, 4, 8)[(..., *[0] * (3 - rank))]
    x = (x % 101).astype(dtype)
    if layout == "channels_last":
        x = to_last(x, rank)
    y, indices = of("max_pool", rank)(x, 2, return_indices=True, layout=layout)
    back = of("max_unpool", rank)(y, indices, 2, layout=layout)
    assert (back.shape, back.dtype) == (x.shape, x.dtype)
    assert ((back == x) | (back == 0)).all()
    again, places = of("max_pool", rank)(back, 2, return_indices=True, layout=layout)
    same(again, y)
    kept = y != 0
    np.testing.assert_array_equal(places[kept], indices[kept])


@every_rank
@pytest.mark.parametrize("layout", LAYOUTS)
def test_random_unpooling_and_its_gradient(rank: int, layout: str) -> None:
    """Any indices, several at one place too: the last wins. The gradient gathers, and is the adjoint."""
    r, rng = random.Random(rank), np.random.default_rng(rank)
    for i in range(60):
        sizes = tuple(r.randint(1, 6) for _ in range(rank))
        kernel, stride = r.randint(1, 4), r.choice((None, 1, 2, 3))
        padding = r.choice((0, "valid", "same", "same_lower", "causal", r.randint(0, kernel - 1)))
        try:
            default = ref.unpooled_size(sizes, kernel, stride, padding)
        except ValueError:
            continue
        near = (stride or kernel) - 1
        wanted: Any = tuple(max(1, n + r.randint(-near, near)) for n in default) if i % 2 else None
        plane = default if wanted is None else wanted
        dtype = pool_cases.DTYPES[i % 7]
        lead = ((2, 3), (4,), ())[i % 3]
        x = pool_cases.values("normal", (*lead, *sizes), dtype, rng)
        indices = rng.integers(0, np.prod(plane), x.shape)
        how: Any = {"stride": stride, "padding": padding, "output_size": wanted}
        want = ref.max_unpool(x, indices, kernel, rank=rank, **how)

        def laid(a: Array, single: bool = not lead) -> Array:
            return a if single or layout == "channels_first" else np.moveaxis(a, -1 - rank, -1)

        view = r.choice(("plain", "strided", "swapped"))
        given = place(laid(x), view, rng), place(laid(indices), view, rng)
        out = np.full(laid(want).shape, 7, dtype)
        unpool = of("max_unpool", rank)
        assert difference(unpool(*given, kernel, layout=layout, **how), laid(want), None) is None
        assert unpool(*given, kernel, layout=layout, out=out, **how) is out
        assert difference(out, laid(want), None) is None
        if dtype in FLOATS:
            g = rng.standard_normal(want.shape).astype(dtype)
            got = of("max_unpool", rank, grad)(place(laid(g), view, rng), given[1], layout=layout)
            same(got, laid(ref.grad_max_unpool(g, indices, rank=rank)))


def test_unpooling_and_its_gradient_are_adjoint_where_no_index_is_there_twice() -> None:
    x, rng = ints((2, 3, 4, 5), np.float64), np.random.default_rng(0)
    indices = rng.permuted(np.tile(np.arange(80), (2, 3, 1)), axis=-1)[..., :20].reshape(x.shape)
    y = npconv.max_unpool2d(x, indices, 2)
    g = ints(y.shape, np.float64, 1)
    assert dot(y, g) == dot(x, grad.max_unpool2d(g, indices))


# ---- finite differences ------------------------------------------------------------------------------------


def numerical(function: Any, x: Array, g: Array) -> Array:
    """The gradient of <function(x), g> by central differences."""
    result = np.empty_like(x)
    for at in np.ndindex(*x.shape):
        h = 1e-5
        up, down = x.copy(), x.copy()
        up[at] += h
        down[at] -= h
        result[at] = ((function(up) - function(down)) * g).sum() / (2 * h)
    return result


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("norm", [1, 2, 3, 0.5, 2.5])
def test_norms_by_finite_differences(norm: float, layout: str, isa: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 2, (2, 4, 5)) * rng.choice([-1, 1], (2, 4, 5))
    how: Any = {"stride": (1, 2), "padding": 1, "dilation": (1, 2), "ceil_mode": True, "layout": layout}
    g = rng.standard_normal(npconv.lp_pool2d(x, norm, 3, **how).shape)
    want = numerical(lambda v: npconv.lp_pool2d(v, norm, 3, **how), x, g)
    np.testing.assert_allclose(grad.lp_pool2d(g, x, norm, 3, **how), want, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_averages_by_finite_differences(layout: str, isa: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 5, 4))
    for name, arguments, how in (
        ("avg_pool", (3,), {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
        ("avg_pool", ((2, 3),), {"stride": 1, "dilation": (1, 1), "divisor_override": -3}),
        ("adaptive_avg_pool", ((2, 3),), {}),
        ("adaptive_avg_pool", ((7, 5),), {}),
        ("global_avg_pool", (), {"keepdims": False}),
    ):
        keywords: Any = how | {"layout": layout}
        pool = of(name, 2)
        g = rng.standard_normal(pool(x, *arguments, **keywords).shape)
        want = numerical(lambda v, f=pool, a=arguments, k=keywords: f(v, *a, **k), x, g)
        arguments = () if "adaptive" in name else arguments
        got = of(name, 2, grad)(g, x.shape, *arguments, **keywords)
        np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-9, err_msg=name)
