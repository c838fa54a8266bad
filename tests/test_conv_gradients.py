# SPDX-License-Identifier: BSD-3-Clause
"""npconv.grad of convolutions: exact adjoints, bounds, finite differences, memory, threads, errors, plans."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import npconv
import numpy as np
import pytest
import reference_grad
from cases import DTYPES, LAYOUTS, MODES, Canvas, lane, place, small_tiles
from grad_cases import Layer, exact_input_gradient, gamma, random_layer, random_transposed, to_layout
from npconv import _core
from reference import Array
from rules import canary, ints


def grad_of(rank: int, what: str) -> Callable[..., Array]:
    function: Callable[..., Array] = getattr(npconv.grad, f"conv{rank}d_{what}")
    return function


def drawn(c: Layer, dtype: str, layout: str, data: str) -> tuple[Array, Array, Array]:
    """x, w and the gradient of the result."""
    return (
        to_layout(c.draw(c.x_shape, dtype, data, 0), layout),
        c.draw(c.w_shape, dtype, data, 1),
        to_layout(c.draw(c.grad_shape, dtype, data, 2), layout),
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_random_arguments_exactly(dtype: str, layout: str, isa: str) -> None:
    r = random.Random(1)
    for i in range(150):
        c = random_layer(r)
        x, w, g = drawn(c, dtype, layout, "integers")
        how: dict[str, Any] = c.keywords | {"layout": layout}
        rng = np.random.default_rng(i)
        view = str(rng.choice(["plain", "strided", "swapped", "misaligned", "repeated"]))
        wanted = r.choice(("automatic", "channel", "pixel")) if layout == "channels_first" else "automatic"
        px, pw, pg = (place(a, view, rng) for a in (x, w, g))
        inner, weights = Canvas(x.shape, dtype, True, rng), Canvas(w.shape, dtype, False, rng)
        with small_tiles(i % 2 == 0), lane(wanted):
            gi = exact_input_gradient(x.shape, pw, pg, out=inner.out, num_threads=1 + i % 3, **how)
            gw = grad_of(c.rank, "weight")(px, w.shape, pg, out=weights.out, num_threads=1 + i % 3, **how)
            gb = grad_of(c.rank, "bias")(pg, layout=layout)
        assert gi is inner.out
        assert gw is weights.out
        assert np.array_equal(gi, reference_grad.conv_input(x.shape, w, g, spatial_rank=c.rank, **how)), c
        assert np.array_equal(gw, reference_grad.conv_weight(x, w.shape, g, spatial_rank=c.rank, **how)), c
        assert np.array_equal(gb, reference_grad.conv_bias(g, spatial_rank=c.rank, layout=layout)), c
        assert inner.damage() is None, c
        assert weights.damage() is None, c


@pytest.mark.parametrize("layout", LAYOUTS)
def test_adjoints_of_npconvs_own_convolution(layout: str, isa: str) -> None:
    """<conv(x), g> == <x, conv_input(g)> == <w, conv_weight(x, g)>, and <y, 1> for the bias."""
    r = random.Random(2)
    for _ in range(100):
        c = random_layer(r)
        x, w, g = drawn(c, "float64", layout, "integers")
        how: dict[str, Any] = c.keywords | {"layout": layout}
        y = getattr(npconv, f"conv{c.rank}d")(x, w, algorithm="gemm", **how)
        wanted = (y * g).sum()
        assert (x * exact_input_gradient(x.shape, w, g, **how)).sum() == wanted, c
        assert (w * grad_of(c.rank, "weight")(x, w.shape, g, **how)).sum() == wanted, c
        assert grad_of(c.rank, "bias")(g, layout=layout).sum() == g.sum(), c


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_normal_numbers_within_the_bound(dtype: str, layout: str, isa: str) -> None:
    r = random.Random(3)
    wide = np.longdouble if dtype == "float64" else np.float64
    unit, tiny = np.finfo(dtype).eps / 2, np.finfo(dtype).tiny
    for _ in range(40):
        c = random_layer(r)
        x, w, g = drawn(c, dtype, layout, "normal")
        how: dict[str, Any] = c.keywords | {"layout": layout, "spatial_rank": c.rank, "accumulate": wide}
        said = {k: v for k, v in how.items() if k not in ("spatial_rank", "accumulate")}
        got = grad_of(c.rank, "weight")(x, w.shape, g, **said).astype(wide)
        n = c.batch * int(np.prod(c.grad_shape[2:]))
        size = reference_grad.conv_weight(abs(x), w.shape, abs(g), **how)
        error = abs(got - reference_grad.conv_weight(x, w.shape, g, **how))
        assert (error <= gamma(n + 2, dtype) * size + n * tiny).all(), c
        got = grad_of(c.rank, "input")(x.shape, w, g, **said).astype(wide)
        want = reference_grad.conv_input(x.shape, w, g, **how)
        size = reference_grad.conv_input(x.shape, abs(w), abs(g), **how)
        # Winograd's, where there is no stride, and sums of border strips: relative to the largest.
        assert abs(got - want).max() <= max(64 * unit, gamma(c.outer * 100, dtype)) * max(size.max(), tiny), c
        assert np.linalg.norm(got - want) <= (4e-6 if dtype == "float32" else 1e-14) * max(
            np.linalg.norm(want), tiny
        ), c


@pytest.mark.parametrize("mode", MODES)
def test_finite_differences(mode: str) -> None:
    """A convolution is linear in each argument, so that a difference is as exact as the sums."""
    rng = np.random.default_rng(5)
    how: dict[str, Any] = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "padding_mode": mode}
    x, w = rng.standard_normal((2, 4, 7, 8)), rng.standard_normal((6, 2, 3, 2))
    how["groups"] = 2

    def loss(x: Array, w: Array) -> float:
        y = npconv.conv2d(x, w, algorithm="gemm", **how)
        return float((np.sin(np.arange(y.size)).reshape(y.shape) * y).sum())

    y = npconv.conv2d(x, w, **how)
    g = np.sin(np.arange(y.size)).reshape(y.shape)
    for a, gradient, at in (
        (x, npconv.grad.conv2d_input(x.shape, w, g, **how), lambda d: loss(x + d, w)),
        (w, npconv.grad.conv2d_weight(x, w.shape, g, **how), lambda d: loss(x, w + d)),
    ):
        for i in rng.choice(a.size, 40, replace=False):
            d = np.zeros(a.size)
            d[i] = 0.5
            d = d.reshape(a.shape)
            assert abs(at(d) - at(-d) - gradient.reshape(-1)[i]) < 1e-11


@pytest.mark.parametrize("mode", MODES)
def test_it_is_the_transposed_matrix(mode: str) -> None:
    for stride, dilation, flip in itertools.product((1, 2), (1, 2), (False, True)):
        w = ints((3, 2, 3, 2), np.float64, seed=2)
        how: dict[str, Any] = {
            "stride": stride, "dilation": dilation, "padding": ((1, 2), (2, 0)), "padding_mode": mode,
            "flip": flip,
        }  # fmt: skip
        columns = [
            npconv.conv2d(e.reshape(1, 2, 5, 4), w, algorithm="gemm", **how).ravel() for e in np.eye(40)
        ]
        shape = npconv.conv2d(np.zeros((1, 2, 5, 4)), w, **how).shape
        for i, e in enumerate(np.eye(len(columns[0]))):
            g = exact_input_gradient((1, 2, 5, 4), w, e.reshape(shape), **how)
            assert np.array_equal(g.ravel(), [column[i] for column in columns])


TRAINING: dict[str, dict[str, Any]] = {
    "3x3": {"x": (4, 24, 29, 31), "w": (40, 24, 3, 3), "padding": 1},
    "strided": {"x": (4, 24, 29, 31), "w": (40, 24, 3, 3), "padding": 1, "stride": 2},
    "1x1": {"x": (4, 48, 15, 14), "w": (80, 48, 1, 1)},
    "large weights": {"x": (2, 300, 7, 7), "w": (320, 300, 3, 3), "padding": 1},
    "depthwise": {"x": (4, 40, 29, 31), "w": (40, 1, 3, 3), "padding": 1, "groups": 40},
    "depthwise, strided": {"x": (4, 40, 29, 31), "w": (40, 1, 5, 5), "padding": 2, "groups": 40, "stride": 2},
    "groups": {"x": (4, 64, 15, 15), "w": (64, 4, 3, 3), "padding": 1, "groups": 16},
    "first layer": {"x": (4, 3, 61, 61), "w": (32, 3, 7, 7), "padding": 3, "stride": 2},
    "reflect": {"x": (4, 24, 29, 31), "w": (40, 24, 3, 3), "padding": 1, "padding_mode": "reflect"},
}


# What plans of the gradient in the weights say that it is computed by.
WAYS = dict.fromkeys(TRAINING, "a matrix product") | {
    "1x1": "have changed places",
    "depthwise": "planes: lane = pixel",
    "depthwise, strided": "lane = channel",
    "groups": "group(s) of 4 fill a vector",
    "first layer": "taps are rows of a tile",
}


def training(name: str, layout: str) -> tuple[Array, Array, Array, dict[str, Any]]:
    how = dict(TRAINING[name])
    rng = np.random.default_rng(4)
    x = to_layout(rng.standard_normal(how.pop("x")).astype(np.float32), layout)
    w = rng.standard_normal(how.pop("w")).astype(np.float32)
    how["layout"] = layout
    y = npconv.conv2d(x, w, **how)
    return x, w, rng.standard_normal(y.shape).astype(np.float32), how


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", TRAINING)
def test_neither_threads_nor_memory_change_a_bit(name: str, layout: str, isa: str) -> None:
    x, w, g, how = training(name, layout)
    inner = npconv.grad.conv2d_input(x.shape, w, g, num_threads=1, **how)
    weights = npconv.grad.conv2d_weight(x, w.shape, g, num_threads=1, **how)
    for threads in (2, 3, 7):
        other = npconv.grad.conv2d_input(x.shape, w, g, num_threads=threads, **how)
        assert other.tobytes() == inner.tobytes()
        other = npconv.grad.conv2d_weight(x, w.shape, g, num_threads=threads, **how)
        assert other.tobytes() == weights.tobytes()
    for view in ("strided", "swapped", "misaligned"):
        rng = np.random.default_rng(1)
        px, pw, pg = (place(a, view, rng) for a in (x, w, g))
        assert npconv.grad.conv2d_input(x.shape, pw, pg, **how).tobytes() == inner.tobytes()
        assert npconv.grad.conv2d_weight(px, w.shape, pg, **how).tobytes() == weights.tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", TRAINING)
def test_plans(name: str, layout: str, isa: str) -> None:
    x, w, g, how = training(name, layout)
    inner = npconv.grad.conv2d_input(x.shape, w, g, **how)
    weights = npconv.grad.conv2d_weight(x, w.shape, g, **how)
    free = (None, *x.shape[1:])
    plan = npconv.plan_conv_input_grad(free, w, **how)
    assert plan.grad_shape == (None, *g.shape[1:])
    assert plan.x_shape == plan.output_shape == free
    assert np.allclose(plan(g), inner, rtol=1e-3, atol=1e-3)
    out = np.full_like(x, np.nan)
    assert plan(g, out=out) is out
    assert out.tobytes() == plan(g).tobytes()
    assert plan(g[:1]).tobytes() == out[:1].tobytes()
    plan.update_weights(w * 2)
    assert np.allclose(plan(g), 2 * inner, rtol=1e-3, atol=1e-3)
    for said in ("gradient", "workspace", plan.algorithm):
        assert said in plan.explain()
    planned = npconv.plan_conv_weight_grad(free, w, **how)
    assert planned.x_shape == free
    assert planned.grad_shape == (None, *g.shape[1:])
    assert planned.output_shape == w.shape
    assert planned.flops == plan.flops == npconv.plan_conv(free, w, **how).flops
    assert planned(x, g).tobytes() == weights.tobytes()
    out = np.full_like(w, np.nan)
    assert planned(x, g, out=out) is out
    assert out.tobytes() == weights.tobytes()
    by_shape = npconv.plan_conv_weight_grad(free, w.shape, **how)
    assert by_shape(x, g).tobytes() == weights.tobytes()
    way = WAYS[name]
    if name == "depthwise" and (layout == "channels_last" or isa not in ("avx512", "avx2")):
        way = "lane = channel"  # planes need masks
    for said in ("in its weights", f"workspace {planned.workspace_bytes} bytes", str(planned.flops), way):
        assert said in planned.explain()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", TRAINING)
def test_workspace_is_told_exactly_and_bounded(name: str, layout: str) -> None:
    x, w, g, how = training(name, layout)
    for threads in (1, 2, 5):
        for shape in (x.shape, (None, *x.shape[1:])):
            inner = npconv.plan_conv_input_grad(shape, w, num_threads=threads, **how)
            weights = npconv.plan_conv_weight_grad(shape, w, num_threads=threads, **how)
            outs = inner(g), weights(x, g)
            before = _core._buffer_bytes_made()
            inner(g, out=outs[0])
            middle = _core._buffer_bytes_made()
            weights(x, g, out=outs[1])
            after = _core._buffer_bytes_made()
            if None not in shape and "padding_mode" not in how:
                assert middle - before == inner.workspace_bytes
                assert after - middle == weights.workspace_bytes
            assert inner.workspace_bytes <= threads * 8 << 20
            assert after - middle <= weights.workspace_bytes <= threads * 8 << 20


@pytest.mark.parametrize(
    ("x", "w", "how"),
    [
        ((1, 1, 300, 300), (1, 1, 200, 200), {}),
        ((2, 2000, 3, 3), (2000, 2000, 1, 1), {}),
        ((1, 4, 9, 200_000), (3, 4, 1, 7), {"padding": (0, 3)}),
        ((64, 16, 8, 8), (16, 16, 3, 3), {"padding": 1}),
        ((1, 20_000, 4, 4), (20_000, 1, 3, 3), {"padding": 1, "groups": 20_000}),
        ((1, 4, 140, 140), (4, 1, 120, 120), {"groups": 4}),
    ],
)
def test_workspace_of_extreme_shapes(x: Any, w: Any, how: dict[str, Any]) -> None:
    for threads in (1, 3):
        plan = npconv.plan_conv_weight_grad(x, w, num_threads=threads, **how)
        g = np.zeros(plan.grad_shape, np.float32)
        before = _core._buffer_bytes_made()
        plan(np.zeros(x, np.float32), g)
        assert _core._buffer_bytes_made() - before == plan.workspace_bytes <= threads * 8 << 20


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("groups", [1, 3, 12])
def test_values_that_are_not_finite_go_where_the_definition_says(
    groups: int, mode: str, layout: str, isa: str
) -> None:
    rng = np.random.default_rng(3)
    for stride in (1, 2):
        how: dict[str, Any] = {"padding": 1, "groups": groups, "padding_mode": mode, "layout": layout}
        how["stride"] = stride
        x, w = to_layout(ints((1, 12, 7, 8)), layout), ints((24, 12 // groups, 3, 3), seed=1)
        g = npconv.conv2d(x, w, algorithm="gemm", **how)
        for a in (x, w, g):
            poisoned = [b.copy() for b in (x, w, g)]
            here = next(p for b, p in zip((x, w, g), poisoned, strict=True) if b is a).reshape(-1)
            here[rng.integers(0, here.size, 2)] = (np.nan, np.inf)
            px, pw, pg = poisoned
            with np.errstate(invalid="ignore"):
                inner = exact_input_gradient(x.shape, pw, pg, **how)
                want = reference_grad.conv_input(x.shape, pw, pg, spatial_rank=2, **how)
                assert np.array_equal(inner, want, equal_nan=True), (stride, mode)
                weights = npconv.grad.conv2d_weight(px, w.shape, pg, **how)
                want = reference_grad.conv_weight(px, w.shape, pg, spatial_rank=2, **how)
                assert np.array_equal(weights, want, equal_nan=True), (stride, mode)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_transposed_convolutions_exactly(dtype: str, layout: str, isa: str) -> None:
    r = random.Random(6)
    for i in range(80):
        c = random_transposed(r)
        x, w = (
            to_layout(c.draw(c.x_shape, dtype, "integers", 0), layout),
            c.draw(c.w_shape, dtype, "integers", 1),
        )
        how: dict[str, Any] = c.keywords | {"layout": layout}
        y = reference_grad.conv_transpose(x, w, spatial_rank=c.rank, **how)
        g = c.draw(y.shape, dtype, "integers", 2)
        # The convolution that is the gradient in the input may be Winograd's: its numbers are not integers.
        with small_tiles(i % 2 == 0):
            inner = getattr(npconv.grad, f"conv_transpose{c.rank}d_input")(x.shape, w, g, **how)
            assert abs(inner - np.round(inner)).max(initial=0) < 1e-3
            inner = np.round(inner)
            weights = getattr(npconv.grad, f"conv_transpose{c.rank}d_weight")(x, w.shape, g, **how)
        for a, gradient, salt in ((x, inner, 3), (w, weights, 4)):
            assert gradient.shape == a.shape
            d = c.draw(
                a.shape, dtype, "integers", salt
            )  # y is linear in a: in any direction the change of y times g
            arrays = (d, w) if a is x else (x, d)
            change = reference_grad.conv_transpose(*arrays, spatial_rank=c.rank, **how)
            assert (change * g).sum() == (d.astype(float) * gradient).sum(), c


FAR: list[dict[str, Any]] = [
    {"stride": (2**60, 1), "padding": ((2**60 - 2, 0), (0, 0)), "groups": 2},
    {"stride": (2**60, 1), "padding": ((2**60 - 2, 0), (0, 0)), "groups": 1},
    {"stride": 2**32, "padding": ((2**32, 0), (2**32 - 3, 0)), "padding_mode": "replicate"},
    {"stride": 2**40, "padding": 2**40, "padding_mode": "reflect"},
    {"stride": 2**20, "padding": 2**20, "padding_mode": "circular"},
    {"dilation": 2**40, "padding": 2**41},
    {"stride": 3, "padding": 5, "padding_mode": "circular"},
]


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("how", FAR, ids=str)
def test_astronomical_steps_and_borders(how: dict[str, Any], k: int, isa: str) -> None:
    x, w = ints((1, 2, 4, 4), np.float64), ints((2, 2 // how.get("groups", 1), k, k), np.float64, seed=1)
    npconv.conv2d(x, w, algorithm="gemm", groups=how.get("groups", 1))  # by kernels, for the proof of the set
    try:
        y = npconv.conv2d(x, w, algorithm="naive", **how)
    except ValueError:
        return  # no such convolution
    g = ints(y.shape, np.float64, seed=2)
    wanted = (y * g).sum()
    inner = npconv.grad.conv2d_input(x.shape, w, g, **how)
    assert abs((x * inner).sum() - wanted) <= 1e-9 * max(1, abs(wanted))
    weights = npconv.grad.conv2d_weight(x, w.shape, g, **how)
    assert (w * weights).sum() == wanted


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("groups", [1, 2, 12])
@pytest.mark.parametrize("padding", [1, 3, ((4, 0), (0, 5))])
def test_gradients_that_meet_the_border_alone_count(padding: Any, groups: int, layout: str, isa: str) -> None:
    rng = np.random.default_rng(1)
    how: dict[str, Any] = {"padding": padding, "groups": groups, "layout": layout}
    x, w = to_layout(ints((2, 12, 9, 10)), layout), ints((12, 12 // groups, 3, 3), seed=1)
    for _ in range(6):
        g = npconv.conv2d(x, w, algorithm="gemm", **how)
        g.reshape(-1)[rng.integers(0, g.size)] = rng.choice([np.nan, np.inf])
        g[0, :1, :1, :1] = np.inf
        with np.errstate(invalid="ignore"):
            weights = npconv.grad.conv2d_weight(x, w.shape, g, **how)
            want = reference_grad.conv_weight(x, w.shape, g, spatial_rank=2, **how)
        assert np.array_equal(weights, want, equal_nan=True)


def test_forms_and_empty_arrays() -> None:
    x, w = ints((6, 7)), ints((3, 3), seed=1)
    g = npconv.conv2d(x, w)
    batch = npconv.grad.conv2d_input((1, 1, 6, 7), w[None, None], g[None, None])
    assert np.array_equal(npconv.grad.conv2d_input((6, 7), w, g), batch[0, 0])
    assert npconv.grad.conv2d_weight(x, (3, 3), g).shape == (3, 3)
    assert npconv.grad.conv2d_bias(g).tolist() == [g.sum()]
    assert npconv.grad.conv2d_bias(g[None]).tolist() == [g.sum()]
    nothing = np.zeros((0, 4, 4, 5), np.float32)
    assert npconv.grad.conv2d_input((0, 2, 6, 7), ints((4, 2, 3, 3)), nothing).shape == (0, 2, 6, 7)
    assert np.array_equal(
        npconv.grad.conv2d_weight(np.zeros((0, 2, 6, 7), np.float32), (4, 2, 3, 3), nothing),
        np.zeros((4, 2, 3, 3)),
    )
    assert npconv.grad.conv2d_bias(nothing).tolist() == [0, 0, 0, 0]
    lines = npconv.grad.conv1d_input((1, 1, 9), np.ones((1, 1, 2)), np.ones((1, 1, 4)), stride=2)
    assert lines.tolist() == [[[1, 1, 1, 1, 1, 1, 1, 1, 0]]]  # the last element meets no tap


X, W, G = ints((1, 4, 6, 7)), ints((3, 4, 3, 3), seed=1), ints((1, 3, 4, 5), seed=2)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"input_shape": (4, 4)}, ValueError, r"input_shape and w must have 4 .*got input_shape \(4, 4\)"),
        ({"input_shape": 7}, TypeError, "input_shape must be a tuple of ints"),
        ({"input_shape": (1, 4, 6, -7)}, ValueError, "input_shape must not have negative entries"),
        ({"input_shape": (1, 5, 6, 7)}, ValueError, "input_shape has 5 channels"),
        ({"input_shape": (1, 4, 7, 7)}, ValueError, r"grad_out must have the shape .*\(1, 3, 5, 5\)"),
        ({"w": W.astype(np.float64)}, TypeError, "w must have"),
        ({"grad_out": G.astype(int)}, TypeError, "grad_out must have dtype float32 or float64"),
        ({"grad_out": G[0]}, ValueError, "grad_out must have the shape"),
        ({"stride": 0}, ValueError, "stride"),
        ({"padding_mode": "edge"}, ValueError, "padding_mode"),
        ({"flip": 1}, TypeError, "flip"),
        ({"out": np.zeros((1, 4, 6, 8), np.float32)}, ValueError, "out must have the shape of the result"),
        ({"num_threads": -1}, ValueError, "num_threads"),
    ],
)  # fmt: skip
def test_wrong_arguments_of_the_input_gradient(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments = {"input_shape": X.shape, "w": W, "grad_out": G} | change
    with pytest.raises(error, match=message):
        npconv.grad.conv2d_input(**arguments)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"weight_shape": (4, 4)}, ValueError, r"x and weight_shape must have 4 .*weight_shape \(4, 4\)"),
        ({"weight_shape": (3, 4, 3, 0)}, ValueError, "the kernel .spatial axes of weight_shape."),
        ({"weight_shape": (3, 2, 3, 3)}, ValueError, r"weight_shape takes 2 \(weight_shape\[1\]\)"),
        ({"grad_out": G[:, :2]}, ValueError, r"grad_out must have the shape of the result .*\(1, 3, 4, 5\)"),
        ({"grad_out": G.astype(np.float64)}, TypeError, "grad_out must have"),
        ({"x": X.astype(complex)}, TypeError, "x must have dtype"),
        ({"out": np.zeros((3, 4, 3, 4), np.float32)}, ValueError, "out must have the shape of the result"),
        ({"out": np.zeros((6, 4, 3, 3), np.float32)[::2]}, ValueError, "out must be C-contiguous"),
        ({"groups": 2}, ValueError, "x has 4 channels"),
    ],
)  # fmt: skip
def test_wrong_arguments_of_the_weight_gradient(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments = {"x": X, "weight_shape": W.shape, "grad_out": G} | change
    with pytest.raises(error, match=message):
        npconv.grad.conv2d_weight(**arguments)


def test_out_stays_untouched_where_something_is_wrong() -> None:
    out = canary(X.shape)
    before = out.tobytes()
    with pytest.raises(ValueError, match="grad_out"):
        npconv.grad.conv2d_input(X.shape, W, G[:, :, 1:], out=out)
    with pytest.raises(ValueError, match="overlap"):
        npconv.grad.conv2d_input(X.shape, out.reshape(-1)[: 3 * 36].reshape(W.shape), G, out=out)
    with pytest.raises(ValueError, match="overlap"):
        npconv.grad.conv2d_weight(out, W.shape, G, out=out.reshape(-1)[: 3 * 36].reshape(W.shape))
    assert out.tobytes() == before


def test_wrong_arguments_of_plans() -> None:
    with pytest.raises(TypeError, match="plan_conv_input_grad"):
        npconv.grad.InputGradientPlan()
    with pytest.raises(TypeError, match="plan_conv_weight_grad"):
        npconv.grad.WeightGradientPlan()
    plan = npconv.plan_conv_input_grad((None, 4, 6, 7), W)
    with pytest.raises(ValueError, match="grad_out must have the shape that the plan was made for"):
        plan(G[:, :, 1:])
    with pytest.raises(ValueError, match="w must have the shape"):
        plan.update_weights(W[:2])
    weights = npconv.plan_conv_weight_grad((None, 4, 6, 7), W)
    with pytest.raises(ValueError, match="x must have the shape that the plan was made for"):
        weights(X[:, :3], G)
    with pytest.raises(ValueError, match="grad_out must have the batch of x"):
        weights(X, np.concatenate([G, G]))
    with pytest.raises(TypeError, match="dtype"):
        npconv.plan_conv_weight_grad((1, 4, 6, 7), W.shape, dtype=np.int32)
    with pytest.raises(ValueError, match="x_shape may have None"):
        npconv.plan_conv_weight_grad((1, None, 6, 7), W)
