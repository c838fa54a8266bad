# SPDX-License-Identifier: BSD-3-Clause
"""`algorithm=` of the gradients in the input: which are exact on small integers, and what each name does.

Winograd's sums of integers are not exact, but for its smallest tiles. "auto" may take it for such layers;
nothing here rests on that choice.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import npconv
import numpy as np
import pytest
import reference_grad
from cases import DTYPES, LAYOUTS
from grad_cases import gamma, random_layer, random_transposed, to_layout
from reference import Array
from rules import canary, ints

EXACT = ("gemm", "depthwise", "direct", "naive", "winograd_f2")
NAMES = ("auto", "measure", "winograd", "winograd_f6", *EXACT)
CANNOT = "cannot serve here"

# x, w and keywords of convolutions of many channels: "auto" may give their gradients to Winograd.
LAYERS: dict[str, dict[str, Any]] = {
    "3x3": {"x": (2, 64, 14, 15), "w": (64, 64, 3, 3), "padding": 1},
    "3x3, valid, flip": {"x": (1, 64, 16, 18), "w": (72, 64, 3, 3), "flip": True},
    "5x5": {"x": (1, 48, 15, 16), "w": (64, 48, 5, 5), "padding": 2},
    "1x7": {"x": (1, 64, 9, 40), "w": (64, 64, 1, 7), "padding": (0, 3)},
    "dilated": {"x": (1, 64, 20, 21), "w": (64, 64, 3, 3), "padding": 2, "dilation": 2},
    "groups": {"x": (2, 96, 14, 14), "w": (128, 48, 3, 3), "padding": 1, "groups": 2},
    "few out": {"x": (1, 4, 22, 40), "w": (64, 4, 3, 3), "padding": 1},
    "depthwise": {"x": (1, 64, 18, 18), "w": (64, 1, 3, 3), "padding": 1, "groups": 64},
    "reflect": {"x": (1, 64, 14, 14), "w": (64, 64, 3, 3), "padding": 1, "padding_mode": "reflect"},
    "circular": {"x": (1, 64, 14, 14), "w": (64, 64, 3, 3), "padding": 2, "padding_mode": "circular"},
    "strided": {"x": (1, 64, 20, 20), "w": (64, 64, 3, 3), "padding": 1, "stride": 2},
    "1-D": {"x": (1, 64, 200), "w": (64, 64, 3), "padding": 1},
    "1-D, dilated": {"x": (1, 64, 200), "w": (64, 64, 3), "padding": "causal", "dilation": 4},
    "3-D": {"x": (1, 32, 5, 13, 12), "w": (48, 32, 3, 3, 3), "padding": 1},
    "3-D, replicate": {
        "x": (1, 32, 4, 9, 9), "w": (32, 32, 3, 3, 3), "padding": 1, "padding_mode": "replicate"
    },
}  # fmt: skip


def layer(name: str, dtype: str, layout: str) -> tuple[Array, Array, dict[str, Any]]:
    """x, w and keywords, of integers from -3 to 3."""
    how = dict(LAYERS[name])
    rng = np.random.default_rng(1)
    x, w = (rng.integers(-3, 4, how.pop(key)).astype(dtype) for key in "xw")
    return to_layout(x, layout), w, how | {"layout": layout}


def of_rank(x: Array, what: str) -> Callable[..., Array]:
    function: Callable[..., Array] = getattr(npconv.grad, f"conv{x.ndim - 2}d_{what}")
    return function


def inner(a: Array, b: Array) -> int:
    """Exactly: of integers, in float64."""
    return int((a.astype(np.float64) * b.astype(np.float64)).sum())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LAYERS)
def test_the_identity_of_the_adjoints_is_exact_by_name(name: str, dtype: str, isa: str) -> None:
    """<conv(x), g> == <x, conv_input(g)> == <w, conv_weight(x, g)>."""
    for layout in LAYOUTS:
        x, w, how = layer(name, dtype, layout)
        y = getattr(npconv, f"conv{x.ndim - 2}d")(x, w, algorithm="gemm", **how)
        g = np.random.default_rng(2).integers(-3, 4, y.shape).astype(dtype)
        wanted = inner(y, g)
        assert inner(w, of_rank(x, "weight")(x, w.shape, g, **how)) == wanted
        gradient = of_rank(x, "input")(x.shape, w, g, algorithm="gemm", **how)
        assert inner(x, gradient) == wanted
        for algorithm in EXACT:
            try:
                other = of_rank(x, "input")(x.shape, w, g, algorithm=algorithm, **how)
            except ValueError as error:
                assert CANNOT in str(error)  # noqa: PT017
                assert algorithm not in ("gemm", "naive")
                continue
            assert np.array_equal(other, gradient), algorithm


@pytest.mark.parametrize("layout", LAYOUTS)
def test_random_gradients_by_each_exact_algorithm(layout: str) -> None:
    r = random.Random(3)
    served: Counter[str] = Counter()
    for _ in range(250):
        c = random_layer(r)
        how: dict[str, Any] = c.keywords | {"layout": layout}
        x, g = (
            to_layout(c.draw(s, "float32", "integers", i), layout)
            for i, s in enumerate((c.x_shape, c.grad_shape))
        )
        w = c.draw(c.w_shape, "float32", "integers", 2)
        want = reference_grad.conv_input(x.shape, w, g, spatial_rank=c.rank, **how)
        for algorithm in EXACT:
            try:
                got = of_rank(x, "input")(x.shape, w, g, algorithm=algorithm, **how)
            except ValueError as error:
                assert CANNOT in str(error), c  # noqa: PT017
                continue
            served[algorithm] += 1
            assert np.array_equal(got, want), (algorithm, c)
    assert served["gemm"] == served["naive"] == 250
    assert min(served["depthwise"], served["direct"], served["winograd_f2"]) >= 5, served


@pytest.mark.parametrize("layout", LAYOUTS)
def test_random_gradients_of_transposed_convolutions_by_each_exact_algorithm(layout: str) -> None:
    r = random.Random(4)
    served: Counter[str] = Counter()
    for _ in range(250):
        c = random_transposed(r)
        how: dict[str, Any] = c.keywords | {"layout": layout}
        x = to_layout(c.draw(c.x_shape, "float32", "integers", 0), layout)
        w = c.draw(c.w_shape, "float32", "integers", 1)
        g = reference_grad.conv_transpose(x, w, spatial_rank=c.rank, **how)
        g = c.draw(g.shape, "float32", "integers", 2)
        function = getattr(npconv.grad, f"conv_transpose{c.rank}d_input")
        exact = function(x.shape, w, g, algorithm="naive", **how)
        y = reference_grad.conv_transpose(x, w, spatial_rank=c.rank, **how)
        assert inner(x, exact) == inner(y, g), c
        for algorithm in EXACT:
            try:
                got = function(x.shape, w, g, algorithm=algorithm, **how)
            except ValueError as error:
                assert CANNOT in str(error), c  # noqa: PT017
                continue
            served[algorithm] += 1
            assert np.array_equal(got, exact), (algorithm, c)
    assert served["gemm"] == served["naive"] == 250
    assert min(served["depthwise"], served["direct"], served["winograd_f2"]) >= 3, served


@pytest.mark.parametrize("data", ["normal", "wide", "sparse"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_elementwise_bound(dtype: str, data: str, isa: str) -> None:
    """gamma(n + k + 2) sum |w| |g| for n products, and k places of the border that repeat an element."""
    r = random.Random(5)
    wide = np.longdouble if dtype == "float64" else np.float64
    tiny = np.finfo(dtype).tiny
    for i in range(40):
        c = random_layer(r)
        w, g = c.draw(c.w_shape, dtype, data, 1), c.draw(c.grad_shape, dtype, data, 2)
        how: dict[str, Any] = c.keywords | {"spatial_rank": c.rank, "accumulate": wide}
        geometry = reference_grad.Geometry(c.spatial, c.kernel, c.stride, c.padding, c.dilation)
        sizes = [n + sum(pads) for n, pads in zip(c.spatial, geometry.pads, strict=True)]
        places = geometry.fold_border(np.ones(sizes), c.mode)
        n = c.outer * int(np.prod(c.kernel))
        want = reference_grad.conv_input(c.x_shape, w, g, **how)
        size = reference_grad.conv_input(c.x_shape, abs(w), abs(g), **how)
        # The oracle rounds as well: nothing beside float32, all of it where long double is float64.
        allowed = (
            gamma(n + int(places.max()) + 1, dtype) + gamma(n * int(places.max()), str(np.dtype(wide)))
        ) * size
        allowed = allowed + n * places.max() * tiny
        for algorithm in EXACT[:4]:
            try:
                got = of_rank(want, "input")(
                    c.x_shape, w, g, algorithm=algorithm, num_threads=1 + i % 2, **c.keywords
                )
            except ValueError:
                continue
            assert (abs(got.astype(wide) - want) <= allowed).all(), (algorithm, c)


# ---- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
def test_a_name_is_the_plan_of_that_name(name: str, isa: str) -> None:
    x, w, how = layer(name, "float32", "channels_first")
    w = w + np.float32(0.1)
    shape = npconv.plan_conv(x.shape, w, **how).output_shape
    g = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    found = {}
    for algorithm in NAMES:
        try:
            plan = npconv.plan_conv_input_grad(x.shape, w, algorithm=algorithm, **how)
        except ValueError as error:
            refused = str(error)
            assert CANNOT in refused
            out = canary(x.shape)
            before = out.tobytes()
            with pytest.raises(ValueError, match=CANNOT) as caught:
                of_rank(x, "input")(x.shape, w, g, algorithm=algorithm, out=out, **how)
            assert str(caught.value) == refused
            assert out.tobytes() == before
            continue
        got = of_rank(x, "input")(x.shape, w, g, algorithm=algorithm, **how)
        found[algorithm] = got.tobytes()
        if algorithm not in ("auto", "measure"):
            assert plan.algorithm == algorithm
            assert got.tobytes() == plan(g).tobytes()
    for automatic in ("auto", "measure"):
        assert found.pop(automatic) in found.values()
    default = of_rank(x, "input")(x.shape, w, g, **how)
    assert default.tobytes() == of_rank(x, "input")(x.shape, w, g, algorithm="auto", **how).tobytes()


def test_a_name_is_the_convolution_of_that_name(isa: str) -> None:
    """The gradient of a transposed convolution in its input is one."""
    rng = np.random.default_rng(1)
    w, g = (rng.standard_normal(s).astype(np.float32) for s in ((24, 32, 3, 3), (2, 32, 14, 14)))
    how: dict[str, Any] = {"padding": 1}
    for algorithm in NAMES:
        try:
            y = npconv.conv2d(g, w, algorithm=algorithm, **how)
        except ValueError as error:
            assert CANNOT in str(error)  # noqa: PT017
            with pytest.raises(ValueError, match=CANNOT):
                npconv.grad.conv_transpose2d_input((2, 24, 14, 14), w, g, algorithm=algorithm, **how)
            continue
        gradient = npconv.grad.conv_transpose2d_input((2, 24, 14, 14), w, g, algorithm=algorithm, **how)
        if algorithm != "measure":
            assert gradient.tobytes() == y.tobytes(), algorithm


X, W, G = ints((1, 4, 9, 9)), ints((3, 4, 3, 3), seed=1), ints((1, 3, 7, 7), seed=2)
BORDERS: dict[str, dict[str, Any]] = {
    "none": {},
    "strided": {"stride": 2},
    "reflect": {"padding": 1, "padding_mode": "reflect"},
    "so large that it is computed product by product": {"padding": 4000, "padding_mode": "circular"},
}


@pytest.mark.parametrize("how", BORDERS.values(), ids=list(BORDERS))
@pytest.mark.parametrize(
    ("algorithm", "error"),
    [("fast", ValueError), ("", ValueError), ("Gemm", ValueError), (None, TypeError), (3, TypeError)],
)
def test_there_are_no_other_names(algorithm: Any, error: type[Exception], how: dict[str, Any]) -> None:
    g = np.zeros(npconv.plan_conv(X.shape, W, algorithm="naive", **how).output_shape, np.float32)
    out = canary(X.shape)
    before = out.tobytes()
    message = "algorithm must be (one of|a str)"
    with pytest.raises(error, match=message):
        npconv.grad.conv2d_input(X.shape, W, g, algorithm=algorithm, out=out, **how)
    with pytest.raises(error, match=message):
        npconv.plan_conv_input_grad(X.shape, W, algorithm=algorithm, **how)
    assert out.tobytes() == before
    if "padding_mode" not in how:
        with pytest.raises(error, match=message):
            npconv.grad.conv_transpose2d_input((1, 3, 7, 7), W, X, algorithm=algorithm)
        with pytest.raises(error, match=message):
            npconv.conv_transpose2d(G, W, algorithm=algorithm)


def test_an_algorithm_that_cannot_serve_says_so() -> None:
    for algorithm in ("winograd", "direct"):  # with a stride: the phases are put together by others
        g = npconv.conv2d(X, W, stride=2)
        with pytest.raises(ValueError, match=f'algorithm="{algorithm}" {CANNOT}: the phases of a stride'):
            npconv.grad.conv2d_input(X.shape, W, g, stride=2, algorithm=algorithm)
    with pytest.raises(ValueError, match=f'algorithm="depthwise" {CANNOT}'):
        npconv.grad.conv2d_input(X.shape, W, G, algorithm="depthwise")


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_strips_of_a_border_that_the_algorithm_cannot_serve_are_left_to_gemm(mode: str, isa: str) -> None:
    """A strip has fewer outputs than the dilation has phases, or no taps that it could share."""
    x, w = ints((1, 8, 15, 16), np.float64), ints((8, 8, 3, 3), np.float64, seed=1)
    for dilation, padding in ((2, 2), (3, 1), (2, ((1, 0), (0, 3)))):
        how: dict[str, Any] = {"dilation": dilation, "padding": padding, "padding_mode": mode}
        g = npconv.conv2d(x, w, algorithm="gemm", **how)
        want = npconv.grad.conv2d_input(x.shape, w, g, algorithm="gemm", **how)
        for algorithm in ("winograd_f2", "direct"):
            got = npconv.grad.conv2d_input(x.shape, w, g, algorithm=algorithm, **how)
            assert np.array_equal(got, want), algorithm
        got = npconv.grad.conv2d_input(x.shape, w, g, algorithm="winograd", **how)
        assert abs(got - want).max() <= 1e-11 * abs(want).max()
