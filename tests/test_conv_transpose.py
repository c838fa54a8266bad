# SPDX-License-Identifier: BSD-3-Clause
"""conv_transpose1d, 2d, 3d and their plans: exact sums, every argument, memory, threads, errors."""

from __future__ import annotations

import itertools
import random
from typing import Any

import npconv
import numpy as np
import pytest
import reference_grad
from cases import DTYPES, LAYOUTS, Canvas, forced, lane, place, small_tiles
from grad_cases import Transposed, gamma, random_transposed, to_layout
from npconv import _core
from reference import Array
from rules import canary, ints


def call(rank: int, *arrays: Any, **how: Any) -> Array:
    result: Array = getattr(npconv, f"conv_transpose{rank}d")(*arrays, **how)
    return result


def exactly(stride: Any) -> str:
    """Without a stride "auto" may take Winograd's, whose sums of integers are not exact."""
    return "gemm" if np.max(stride) == 1 else "auto"


def oracle(c: Transposed, x: Array, w: Array, bias: Array | None, layout: str, **how: Any) -> Array:
    return reference_grad.conv_transpose(x, w, bias, spatial_rank=c.rank, layout=layout, **c.keywords, **how)


def drawn(c: Transposed, dtype: str, layout: str, data: str) -> tuple[Array, Array, Array | None]:
    bias = c.draw((c.groups * c.inner,), dtype, data, 2) if c.bias else None
    return to_layout(c.draw(c.x_shape, dtype, data, 0), layout), c.draw(c.w_shape, dtype, data, 1), bias


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_random_arguments_exactly(dtype: str, layout: str, isa: str) -> None:
    r = random.Random(1)
    for i in range(150):
        c = random_transposed(r)
        x, w, bias = drawn(c, dtype, layout, "integers")
        rng = np.random.default_rng(i)
        want = oracle(c, x, w, bias, layout)
        canvas = Canvas(want.shape, dtype, True, rng)
        view = str(rng.choice(["plain", "strided", "swapped", "misaligned", "repeated"]))
        wanted = r.choice(("automatic", "channel", "pixel")) if layout == "channels_first" else "automatic"
        with small_tiles(i % 2 == 0), lane(wanted):
            y = call(
                c.rank, place(x, view, rng), place(w, view, rng), bias, layout=layout, out=canvas.out,
                num_threads=1 + i % 3, algorithm=exactly(c.stride), **c.keywords,
            )  # fmt: skip
        assert y is canvas.out
        assert np.array_equal(y, want), c
        assert canvas.damage() is None, c


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("algorithm", ["gemm", "depthwise", "direct", "naive"])
def test_algorithms_by_name_exactly(algorithm: str, layout: str) -> None:
    r = random.Random(algorithm)
    served = 0
    for i in range(250):
        c = random_transposed(r)
        x, w, bias = drawn(c, "float32", layout, "integers")
        with small_tiles(i % 2 == 0):
            try:
                y = call(c.rank, x, w, bias, layout=layout, algorithm=algorithm, **c.keywords)
            except ValueError as error:
                refused = str(error)
                if f'algorithm="{algorithm}" cannot serve here' not in refused:
                    raise
                continue
        served += 1
        assert np.array_equal(y, oracle(c, x, w, bias, layout)), c
    assert served >= {"gemm": 250, "depthwise": 20, "direct": 20, "naive": 250}[algorithm]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_normal_numbers_within_the_bound(dtype: str, layout: str, isa: str) -> None:
    r = random.Random(2)
    wide = np.longdouble if dtype == "float64" else np.float64
    for i in range(60):
        c = random_transposed(r)
        x, w, bias = drawn(c, dtype, layout, "normal")
        algorithm = "gemm" if i % 2 else "auto"  # Winograd's has another bound
        y = call(c.rank, x, w, bias, layout=layout, algorithm=algorithm, **c.keywords)
        want = oracle(c, x, w, bias, layout, accumulate=wide)
        size = oracle(c, abs(x), abs(w), None if bias is None else abs(bias), layout, accumulate=wide)
        error = abs(y.astype(wide) - want)
        if algorithm == "gemm":
            assert (error <= gamma(c.terms + 2, dtype) * size + c.terms * np.finfo(dtype).tiny).all(), c
        assert np.linalg.norm(error) <= (2e-6 if dtype == "float32" else 1e-14) * np.linalg.norm(want), c


# Kernels smaller than the stride, as large, larger; uneven; with dilation; cut off by more than the kernel.
NAMED: dict[str, dict[str, Any]] = {
    "kernel < stride": {"k": (2, 1), "stride": 3},
    "kernel == stride": {"k": (2, 2), "stride": 2},
    "twice the stride": {"k": (4, 4), "stride": 2, "padding": 1},
    "odd kernel": {"k": (3, 3), "stride": 2, "padding": 1, "output_padding": 1},
    "dilation == stride": {"k": (3, 3), "stride": 2, "dilation": 2},
    "dilation 3, stride 2": {"k": (3, 2), "stride": 2, "dilation": 3, "padding": 2},
    "dilation 2, stride 4": {"k": (3, 3), "stride": 4, "dilation": 2},
    "no stride": {"k": (3, 3), "padding": 1},
    "cut off beyond the kernel": {"k": (2, 2), "stride": 2, "padding": 5},
    "cut off without a stride": {"k": (2, 2), "padding": 3},
    "more than a stride": {"k": (1, 1), "stride": 7, "padding": 0, "output_padding": 6},
    "output_size": {"k": (3, 3), "stride": 3, "padding": 1, "output_size": (27, 28)},
    "same": {"k": (3, 3), "stride": 2, "padding": "same"},
    "same, kernel < stride": {"k": (2, 2), "stride": 3, "padding": "same"},
    "same_lower": {"k": (4, 5), "stride": (2, 3), "padding": "same_lower"},
    "stride beyond the output": {"k": (1, 1), "stride": 1000, "padding": 4000, "output_padding": 7},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", NAMED)
def test_named_cases(name: str, layout: str, isa: str) -> None:
    how = dict(NAMED[name])
    x, w = to_layout(ints((2, 5, 9, 10)), layout), ints((5, 18, *how.pop("k")), seed=1)
    y = npconv.conv_transpose2d(x, w, layout=layout, algorithm=exactly(how.get("stride", 1)), **how)
    assert _core._isa() == isa
    npconv.conv_transpose2d(
        x, w, layout=layout, stride=2
    )  # by kernels, where many phases are left to the definition
    assert np.array_equal(y, reference_grad.conv_transpose(x, w, spatial_rank=2, layout=layout, **how))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_is_the_adjoint_of_the_convolution(layout: str) -> None:
    r = random.Random(3)
    for _ in range(100):
        c = random_transposed(r)
        x, w, _ = drawn(c, "float64", layout, "integers")
        y = call(c.rank, x, w, layout=layout, algorithm=exactly(c.stride), **c.keywords)
        other = to_layout(
            c.draw(
                np.moveaxis(y, -1, 1).shape if layout == "channels_last" else y.shape,
                "float64",
                "integers",
                5,
            ),
            layout,
        )
        sizes, pads = reference_grad.transposed_size(
            c.spatial, c.kernel, **{k: v for k, v in c.keywords.items() if k != "groups"}
        )
        if any(
            n + sum(p) < d * (k - 1) + 1 for n, p, k, d in zip(sizes, pads, c.kernel, c.dilation, strict=True)
        ):
            continue  # no convolution has such an input
        forward = getattr(npconv, f"conv{c.rank}d")(
            other, w, stride=c.stride, padding=tuple(pads), dilation=c.dilation, groups=c.groups,
            layout=layout, algorithm="gemm",
        )  # fmt: skip
        ends = tuple(slice(0, n) for n in c.spatial)  # beyond x, the convolution may have more outputs
        part = forward[(slice(None), *ends)] if layout == "channels_last" else forward[(..., *ends)]
        assert (y * other).sum() == (x * part).sum(), c


def test_it_is_the_transposed_matrix() -> None:
    for stride, dilation, padding in itertools.product((1, 2, 3), (1, 2), (0, 1)):
        w = ints((2, 3, 2, 3), np.float64, seed=2)
        how: dict[str, Any] = {"stride": stride, "dilation": dilation, "padding": padding}
        n = 3 * 6 * 7
        rows = [npconv.conv2d(e.reshape(1, 3, 6, 7), w, algorithm="gemm", **how).ravel() for e in np.eye(n)]
        matrix = np.array(rows)  # one row for each element of the input
        shape = npconv.conv2d(np.zeros((1, 3, 6, 7)), w, **how).shape
        for i, e in enumerate(np.eye(matrix.shape[1])):
            y = npconv.conv_transpose2d(
                e.reshape(shape), w, output_size=(6, 7), algorithm=exactly(stride), **how
            )
            assert np.array_equal(y.ravel(), matrix[:, i])


def upsampling(layout: str, dtype: Any = np.float32) -> tuple[Array, Array, Array, dict[str, Any]]:
    rng = np.random.default_rng(7)
    x = to_layout(rng.standard_normal((2, 48, 19, 21)).astype(dtype), layout)
    w, bias = rng.standard_normal((48, 40, 4, 4)).astype(dtype), rng.standard_normal(40).astype(dtype)
    return x, w, bias, {"stride": 2, "padding": 1, "layout": layout, "activation": "silu"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_neither_threads_nor_memory_nor_batch_change_a_bit(layout: str, isa: str) -> None:
    x, w, bias, how = upsampling(layout)
    for more in ({}, {"stride": 1}, {"stride": (2, 3)}):
        y = npconv.conv_transpose2d(x, w, bias, num_threads=1, **how | more)
        for threads in (2, 3, 7):
            assert (
                npconv.conv_transpose2d(x, w, bias, num_threads=threads, **how | more).tobytes()
                == y.tobytes()
            )
        for view in ("strided", "swapped", "misaligned"):
            rng = np.random.default_rng(1)
            other = npconv.conv_transpose2d(place(x, view, rng), place(w, view, rng), bias, **how | more)
            assert other.tobytes() == y.tobytes()
        assert npconv.conv_transpose2d(x[1], w, bias, **how | more).tobytes() == y[1].tobytes()


@pytest.mark.parametrize("groups", [1, 48])
def test_both_layouts_give_the_same_bits(groups: int, isa: str) -> None:
    x, w, _, how = upsampling("channels_first")
    w = w[:, : 40 if groups == 1 else 1]
    how |= {"groups": groups, "algorithm": "gemm"}
    y = npconv.conv_transpose2d(x, w, **how)
    last = npconv.conv_transpose2d(to_layout(x, "channels_last"), w, **how | {"layout": "channels_last"})
    assert np.ascontiguousarray(np.moveaxis(last, -1, 1)).tobytes() == y.tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("groups", [1, 3, 12])
@pytest.mark.parametrize(
    "more", [{"stride": 2}, {"stride": 2, "padding": 1}, {"padding": 1}, {"stride": (3, 1)}]
)
def test_values_that_are_not_finite_go_where_the_definition_says(
    more: dict[str, Any], groups: int, layout: str, isa: str
) -> None:
    rng = np.random.default_rng(3)
    for k in ((3, 3), (2, 2), (4, 2)):
        x, w = to_layout(ints((1, 12, 7, 8)), layout), ints((12, 24 // groups, *k), seed=1)
        for a, values in ((x, (np.nan, np.inf)), (w, (-np.inf, np.nan)), (x, (np.inf,))):
            a = a.reshape(-1)
            a[rng.integers(0, a.size, len(values))] = values
            with np.errstate(invalid="ignore"):
                y = npconv.conv_transpose2d(
                    x, w, groups=groups, layout=layout, algorithm=exactly(more.get("stride", 1)), **more
                )
                want = reference_grad.conv_transpose(
                    x, w, spatial_rank=2, groups=groups, layout=layout, **more
                )
            assert np.array_equal(y, want, equal_nan=True)
    npconv.conv_transpose2d(ints((1, 2, 3, 3)), ints((2, 2, 3, 3)))  # by kernels, for the proof of the set


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("more", [{}, {"stride": 1}, {"stride": 3, "padding": 0}, {"groups": 8}])
def test_plans(more: dict[str, Any], layout: str, isa: str) -> None:
    x, w, bias, how = upsampling(layout)
    how |= more
    if "groups" in more:
        w, bias = w[:, :5], bias
    y = npconv.conv_transpose2d(x, w, bias, **how)
    plan = npconv.plan_conv_transpose((None, *x.shape[1:]), w, bias, **how)
    assert isinstance(plan, npconv.ConvPlan)
    assert plan.x_shape == (None, *x.shape[1:])
    assert plan.output_shape == (None, *y.shape[1:])
    assert plan.flops == 2 * 19 * 21 * 48 * w.shape[1] * 16
    out = np.full_like(y, np.nan)
    assert plan(x, out=out) is out
    assert out.tobytes() == y.tobytes()
    assert plan(x[:1]).tobytes() == y[:1].tobytes()
    with pytest.raises(ValueError, match="residual must be None"):
        plan(x, residual=y)
    part = np.ascontiguousarray(x[:, :11] if layout == "channels_last" else x[:, :, :11])
    fixed = plan.for_shape(part.shape)
    assert np.allclose(fixed(part), npconv.conv_transpose2d(part, w, bias, **how), rtol=1e-4, atol=1e-4)
    kept = fixed(part).tobytes()
    plan.update_weights(w + 1)  # the bias stays
    assert plan(x).tobytes() == npconv.conv_transpose2d(x, w + 1, bias, **how).tobytes()
    plan.update_weights(w, bias + 1)
    assert plan(x).tobytes() == npconv.conv_transpose2d(x, w, bias + 1, **how).tobytes()
    assert fixed(part).tobytes() == kept
    poisoned = w.copy()
    poisoned[3, 1, 0, 0] = np.inf
    plan.update_weights(poisoned)
    with np.errstate(invalid="ignore"):
        assert np.array_equal(plan(x), npconv.conv_transpose2d(x, poisoned, bias + 1, **how), equal_nan=True)
    assert "not finite" in plan.explain()
    plan.update_weights(w, bias)
    assert plan(x).tobytes() == y.tobytes()
    for said in ("transposed", "workspace", "|y - exact|", plan.algorithm):
        assert said in plan.explain()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_measuring_chooses_among_what_serves(layout: str) -> None:
    x, w = to_layout(ints((1, 32, 9, 9)), layout), ints((32, 1, 3, 3), seed=1)
    for stride in (1, 2):
        plan = npconv.plan_conv_transpose(
            x.shape, w, stride=stride, groups=32, layout=layout, algorithm="measure"
        )
        assert ", measured " in plan.explain()
        want = reference_grad.conv_transpose(x, w, spatial_rank=2, stride=stride, groups=32, layout=layout)
        assert np.allclose(plan(x), want, rtol=1e-5, atol=1e-3)


def test_few_output_channels_are_sums_of_rows(isa: str) -> None:
    r = random.Random(9)
    by_tap = 0
    for i in range(120):
        stride = (r.choice((1, 2, 3)), r.choice((2, 3, 4)))
        kernel, dilation = (
            tuple(r.randrange(1, 6) for _ in stride),
            (r.choice((1, 1, 2)), r.choice((1, 1, 3))),
        )
        groups, out = r.choice((1, 1, 2)), r.choice((1, 2, 3))
        size = (r.randrange(1, 12), r.randrange(1, 40))
        x, w = ints((2, groups * 24, *size), seed=i), ints((groups * 24, out, *kernel), seed=i + 1)
        how: dict[str, Any] = {"stride": stride, "dilation": dilation, "groups": groups}
        whole = [
            (n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(size, stride, dilation, kernel, strict=True)
        ]
        how["padding"] = tuple(r.randrange(0, min(n, 7) // 2 + 1) for n in whole)
        how["output_padding"] = tuple(r.randrange(max(s, d)) for s, d in zip(stride, dilation, strict=True))
        bias = ints((groups * out,), seed=i + 2)
        with small_tiles(i % 2 == 0):
            plan = npconv.plan_conv_transpose(
                x.shape, w, bias, activation="relu", algorithm="gemm", num_threads=1 + i % 3, **how
            )
            y = plan(x)
            by_tap += "sums of rows of products" in plan.explain()
        assert np.array_equal(
            y, reference_grad.conv_transpose(x, w, bias, spatial_rank=2, activation="relu", **how)
        ), (i, how)
    assert by_tap > 30


def test_planes_of_depthwise_layers_have_kernels_of_their_own(isa: str) -> None:
    r = random.Random(10)
    for i in range(160):
        k, depth, dtype = r.randrange(2, 6), r.choice((0, 0, 0, 3)), r.choice(DTYPES)
        channels, size = r.randrange(1, 9), (r.randrange(1, 12), r.choice((1, 2, 7, 8, 16, 17, 31, 33, 66)))
        shape, kernel = ((depth, *size), (1, k, k)) if depth else (size, (k, k))
        x, w = ints((2, channels, *shape), dtype, seed=i), ints((channels, 1, *kernel), dtype, seed=i + 1)
        bias = ints((channels,), dtype, seed=i + 2) if i % 3 else None
        if i % 5 == 0:
            x.reshape(-1)[r.randrange(x.size)] = r.choice((np.nan, np.inf))
        whole = [(n - 1) * 2 + k for n in size]
        # Also cut off at the ends differently, by a whole row or column of x and more.
        padding: Any = [(b := r.randrange(min(n, k)), r.randrange(min(n - b, k))) for n in whole]
        output_padding = [r.randrange(2), r.randrange(2)]
        flat = [0] if depth else []
        how: dict[str, Any] = {
            "stride": (*(1 for _ in flat), 2, 2), "activation": r.choice((None, "relu", "silu")),
            "padding": (*((0, 0) for _ in flat), *padding), "output_padding": (*flat, *output_padding),
            "groups": channels,
        }  # fmt: skip
        rank, rng = len(shape), np.random.default_rng(i)
        with np.errstate(invalid="ignore"):
            want = reference_grad.conv_transpose(x, w, bias, spatial_rank=rank, **how)
        canvas = Canvas(want.shape, dtype, True, rng)
        view = place(x, str(rng.choice(["plain", "strided", "swapped", "misaligned"])), rng)
        with small_tiles(i % 2 == 0):
            plan = npconv.plan_conv_transpose(
                x.shape, w, bias, algorithm="depthwise", num_threads=1 + i % 3, **how
            )
            y = plan(view, out=canvas.out)
        assert want.shape[-1] < 4 or "two rows of y at a time" in plan.explain()
        if how["activation"] == "silu":
            assert np.allclose(y, want, rtol=1e-5, atol=1e-5, equal_nan=True), (i, how)
        else:
            assert np.array_equal(y, want, equal_nan=True), (i, how)
        assert canvas.damage() is None, (i, how)


def test_explain_tells_the_phases() -> None:
    w = np.zeros((64, 48, 4, 4), np.float32)
    text = npconv.plan_conv_transpose((1, 64, 8, 8), w, stride=2, padding=1).explain()
    assert "the stride makes 4 phases" in text
    text = npconv.plan_conv_transpose((1, 64, 8, 8), w[:, :, :2, :2], stride=2).explain()
    assert "channels of one convolution of 64 -> 192 channels" in text
    text = npconv.plan_conv_transpose((1, 64, 8, 8), w, stride=2, algorithm="naive").explain()
    assert "asked for by name" in text


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("channels", "size", "k", "how"),
    [
        (16, (60, 60), 4, {"stride": 2, "padding": 1}),
        (512, (8, 8), 4, {"stride": 2}),
        (64, (31, 17), 16, {"stride": 8}),
        (3000, (9, 9), 3, {"stride": 2}),
        (256, (40, 40), 3, {"stride": 2, "groups": 256}),
        (5000, (12, 12), 5, {"stride": 3, "groups": 5000}),
        (50_000, (4, 4), 3, {"stride": 2, "groups": 50_000}),
        (32, (64, 64), 3, {"padding": 1}),
        (8, (3, 50_000), 3, {"stride": 4}),
    ],
)  # fmt: skip
def test_workspace_is_told_exactly_and_bounded(
    channels: int, size: tuple[int, int], k: int, how: dict[str, Any], layout: str
) -> None:
    groups = how.get("groups", 1)
    shape = (1, channels, *size) if layout == "channels_first" else (1, *size, channels)
    x, w = np.zeros(shape, np.float32), np.zeros((channels, 1 if groups > 1 else 24, k, k), np.float32)
    for threads in (1, 2, 5):
        plan = npconv.plan_conv_transpose(shape, w, layout=layout, num_threads=threads, **how)
        out = plan(x)
        before = _core._buffer_bytes_made()
        plan(x, out=out)
        assert _core._buffer_bytes_made() - before == plan.workspace_bytes
        assert plan.workspace_bytes <= threads * 6 << 20
        free = npconv.plan_conv_transpose((None, *shape[1:]), w, layout=layout, num_threads=threads, **how)
        before = _core._buffer_bytes_made()
        free(x, out=out)
        assert _core._buffer_bytes_made() - before <= free.workspace_bytes <= threads * 6 << 20


def test_forms() -> None:
    x, w = ints((4, 5)), ints((3, 3), seed=1)
    batch = npconv.conv_transpose2d(x[None, None], w[None, None], stride=2)
    for layout in LAYOUTS:
        assert np.array_equal(npconv.conv_transpose2d(x, w, stride=2, layout=layout), batch[0, 0])
    assert np.array_equal(npconv.conv_transpose2d(x[None], w[None, None], stride=2), batch[0])
    assert npconv.conv_transpose1d([1.0, 2.0], [1.0, 1.0], stride=2).tolist() == [1, 1, 2, 2]


def test_empty_results() -> None:
    w = np.ones((2, 5, 3, 3), np.float32)
    assert npconv.conv_transpose2d(np.ones((0, 2, 4, 4), np.float32), w).shape == (0, 5, 6, 6)
    none = npconv.conv_transpose2d(np.ones((1, 2, 1, 4), np.float32), w, padding=((3, 0), (0, 0)))
    assert none.shape == (1, 5, 0, 6)
    assert npconv.conv_transpose2d(np.ones((1, 2, 4, 4), np.float32), w[:, :0], stride=2).shape == (
        1,
        0,
        9,
        9,
    )
    bias = np.array([3.0], np.float32)
    alone = npconv.conv_transpose2d(
        np.ones((1, 0, 2, 2), np.float32), np.ones((0, 1, 3, 3), np.float32), bias, stride=2
    )
    assert np.array_equal(alone, np.full((1, 1, 5, 5), 3, np.float32))
    long = npconv.conv_transpose1d(np.ones((1, 1, 0)), np.ones((1, 1, 4)), stride=2)
    assert np.array_equal(long, np.zeros((1, 1, 2)))


X, W = ints((1, 4, 5, 6)), ints((4, 3, 3, 3), seed=1)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": ints((3, 3))}, ValueError, "x and w must have 4 axes"),
        ({"x": ints((1, 5, 5, 6))}, ValueError, r"x has 5 channels .*w takes 4 \(w.shape\[0\]\)"),
        ({"x": X.astype(int)}, TypeError, "x must have dtype float32 or float64"),
        ({"w": W.astype(np.float64)}, TypeError, "w"),
        ({"w": np.zeros((4, 3, 0, 3), np.float32)}, ValueError, "the kernel .* must be at least 1"),
        ({"bias": ints((4,))}, ValueError, r"bias must have shape \(3,\)"),
        ({"bias": np.zeros(3)}, TypeError, "bias"),
        ({"stride": 0}, ValueError, "stride must be at least 1"),
        ({"stride": 2.0}, TypeError, "stride"),
        ({"dilation": -1}, ValueError, "dilation must be at least 1"),
        ({"groups": 3}, ValueError, "groups must divide the input channels, got groups=3 and 4"),
        ({"groups": 0}, ValueError, "groups must be at least 1"),
        ({"padding": (1, 2, 3)}, ValueError, "padding must be"),
        ({"padding": -1}, ValueError, "padding must be at least 0"),
        ({"padding": 4}, ValueError, r"padding must not be more than the output has, got \(4, 4\) for 7"),
        ({"padding": "full"}, ValueError, 'padding of a transposed convolution must be .*"full"'),
        ({"padding": "causal"}, ValueError, "padding of a transposed convolution"),
        ({"padding": "same", "output_padding": 1, "stride": 2}, ValueError, "output_padding must be 0"),
        ({"padding": "same", "output_size": (5, 6)}, ValueError, "output_size must not be given"),
        ({"output_padding": 1}, ValueError, r"output_padding must be less than .*\(1, 1\)"),
        ({"output_padding": -1}, ValueError, "output_padding must be at least 0"),
        ({"output_padding": (1, 1, 1), "stride": 2}, ValueError, "output_padding must be an int or"),
        ({"output_size": (8, 8), "output_padding": 1, "stride": 2}, ValueError, "must not be given together"),
        ({"output_size": (11, 15), "stride": 2}, ValueError, "output_size must be from 13 to 14 on"),
        ({"output_size": "big"}, TypeError, "output_size must be an int or"),
        ({"activation": "swish"}, ValueError, "activation must be None, one of"),
        ({"algorithm": "winograd", "stride": 2}, ValueError, 'algorithm="winograd" cannot serve here'),
        ({"algorithm": "fft", "stride": 2}, ValueError, 'algorithm must be one of "auto", "measure"'),
        ({"algorithm": "fft"}, ValueError, 'algorithm must be one of "auto", "measure"'),
        ({"layout": "NHWC"}, ValueError, "layout"),
        ({"out": np.zeros((1, 3, 5, 6), np.float32)}, ValueError, "out must have the shape of the result"),
        ({"num_threads": 0}, ValueError, "num_threads"),
        ({"stride": 2**62}, ValueError, "does not fit in 64 bits"),
        ({"dilation": 2**62}, ValueError, "does not fit in 64 bits"),
        ({"stride": 2**40, "padding": 2**42}, ValueError, "padding must not be more than the output has"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"x": X, "w": W} | change
    with pytest.raises(error, match=message):
        npconv.conv_transpose2d(**arguments)


def test_out_stays_untouched_where_something_is_wrong() -> None:
    out = canary((1, 3, 7, 8))
    before = out.tobytes()
    with pytest.raises(ValueError, match="bias"):
        npconv.conv_transpose2d(X, W, ints((4,)), out=out)
    with pytest.raises(ValueError, match="overlap"):
        npconv.conv_transpose2d(X, out.reshape(-1)[: 4 * 27].reshape(4, 3, 3, 3), out=out)
    assert out.tobytes() == before


def test_wrong_arguments_of_plans() -> None:
    with pytest.raises(ValueError, match="x_shape may have None"):
        npconv.plan_conv_transpose((1, 4, None, 8), W)
    with pytest.raises(ValueError, match=r"x_shape and w must have N \+ 2 axes"):
        npconv.plan_conv_transpose((4,), W)
    plan = npconv.plan_conv_transpose((1, 4, 5, 6), W, stride=2)
    with pytest.raises(ValueError, match="x must have the shape that the plan was made for"):
        plan(ints((1, 4, 5, 7)))
    with pytest.raises(ValueError, match="w must have the shape that the plan was made for"):
        plan.update_weights(W[:, :2])
    with pytest.raises(TypeError, match="x must have the dtype of the plan"):
        plan(X.astype(np.float64))
    with pytest.raises(ValueError, match="as many axes"):
        plan.for_shape((4, 5, 6))
    with forced(_core._isa_names()[-1]):
        assert plan(X).shape == (1, 3, 11, 13)


def test_long_kernels_and_strides_end_at_once() -> None:
    """No loop over taps or strides that are not there."""
    x, w = np.empty((1, 0, 1), np.float32), np.empty((0, 1, 2**54), np.float32)
    y = npconv.conv_transpose1d(x, w, stride=2**55, padding=((2**54 - 1, 0),))
    assert y.tolist() == [[[0]]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_plans_of_other_shapes_without_a_stride(layout: str) -> None:
    w = ints((8, 8, 3, 3), seed=1)
    plan = npconv.plan_conv_transpose(to_layout(ints((1, 8, 64, 64)), layout).shape, w, layout=layout)
    for size in ((3, 3), (5, 70), (130, 9)):
        x = to_layout(ints((1, 8, *size)), layout)
        want = reference_grad.conv_transpose(x, w, spatial_rank=2, layout=layout)
        assert np.allclose(plan.for_shape(x.shape)(x), want, rtol=1e-4, atol=1e-3)


def test_many_phases_are_left_to_the_definition() -> None:
    x, w = ints((1, 2, 3, 3)), ints((2, 1, 3, 3))
    how: dict[str, Any] = {"stride": 50}
    plan = npconv.plan_conv_transpose(x.shape, w, **how)
    assert plan.algorithm == "naive"
    assert "too many phases" in plan.explain()
    assert np.array_equal(plan(x), reference_grad.conv_transpose(x, w, spatial_rank=2, **how))
    with pytest.raises(ValueError, match="too many phases"):
        npconv.conv_transpose2d(x, w, algorithm="gemm", **how)
