# SPDX-License-Identifier: BSD-3-Clause
"""separable_conv2d: the bits of its two halves, every argument, errors that name what is wrong."""

from __future__ import annotations

import random
from typing import Any

import npconv
import numpy as np
import pytest
from cases import DTYPES, LAYOUTS, MODES, forced, lane, place, small_tiles
from npconv import _core
from reference import Array
from rules import canary, ints

Arrays = dict[str, Any]


def to_last(a: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(a, -3, -1))


def in_two(x: Array, w: Arrays, how: dict[str, Any], layout: str) -> Array:
    """The two convolutions one after the other, by the algorithms that the separable one stands for."""
    first = {k: how[k] for k in ("stride", "padding", "dilation", "padding_mode") if k in how}
    groups = x.shape[-1] if layout == "channels_last" else x.shape[-3]
    z = npconv.conv2d(
        x, w["depthwise_w"], w.get("depthwise_bias"), groups=groups, layout=layout, algorithm="depthwise",
        activation=how.get("depthwise_activation"), **first,
    )  # fmt: skip
    return npconv.conv2d(
        z, w["pointwise_w"], w.get("bias"), layout=layout, algorithm="gemm", activation=how.get("activation"),
        residual=how.get("residual"),
    )  # fmt: skip


def drawn(r: random.Random, dtype: str, layout: str) -> tuple[Array, Arrays, dict[str, Any]]:
    """Random arguments: x, the arrays of weights, the keywords."""
    rng = np.random.default_rng(r.randrange(2**31))
    channels, multiplier, out = r.choice((1, 2, 7, 16, 33)), r.choice((1, 1, 2, 3)), r.choice((1, 3, 16, 40))
    kernel = r.choice(((3, 3), (3, 3), (5, 5), (1, 1), (7, 3), (2, 4)))
    size = tuple(k + r.choice((0, 1, 5, 9, 20)) for k in kernel)
    how: dict[str, Any] = {
        "stride": r.choice((1, 1, 2, (2, 1), 3)),
        "padding": r.choice((0, 1, "same", ((0, 1), (2, 0)))),
        "dilation": r.choice((1, 1, 1, (1, 2))) if min(size) > 8 else 1,
        "padding_mode": r.choice(("zeros", *MODES)),
        "depthwise_activation": r.choice((None, "relu6", "silu")),
        "activation": r.choice((None, "relu", ("leaky_relu", 0.25))),
    }
    inner, middle = (r.choice((1, 2, 3)), channels, *size), channels * multiplier
    x = rng.standard_normal(inner).astype(dtype)
    w: Arrays = {
        "depthwise_w": rng.standard_normal((middle, 1, *kernel)).astype(dtype),
        "pointwise_w": rng.standard_normal((out, middle, 1, 1)).astype(dtype),
    }
    if r.random() < 0.5:
        w |= {
            "bias": rng.standard_normal(out).astype(dtype),
            "depthwise_bias": rng.standard_normal(middle).astype(dtype),
        }
    return to_last(x) if layout == "channels_last" else x, w, how


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_random_arguments_give_the_bits_of_two_calls(dtype: str, layout: str, isa: str) -> None:
    r = random.Random(5)
    for i in range(60):
        x, w, how = drawn(r, dtype, layout)
        lanes = ("automatic", "channel", "pixel") if layout == "channels_first" else ("automatic",)
        with lane(r.choice(lanes)), small_tiles(i % 3 == 0):  # small ones have shorter blocks of a sum, too
            expected = in_two(x, w, how, layout)
            if i % 2:
                how["residual"] = np.random.default_rng(i).standard_normal(expected.shape).astype(dtype)
                expected = in_two(x, w, how, layout)
            before = _core._kernel_runs().get(isa, 0)
            y = npconv.separable_conv2d(x, layout=layout, num_threads=1 + i % 3, **w, **how)
        assert _core._kernel_runs()[isa] > before
        assert y.tobytes() == expected.tobytes(), (i, x.shape, how)


def mobile(layout: str) -> tuple[Array, Arrays, dict[str, Any]]:
    rng = np.random.default_rng(8)
    x = rng.standard_normal((2, 96, 28, 28)).astype(np.float32)
    w = {
        "depthwise_w": rng.standard_normal((96, 1, 3, 3)).astype(np.float32),
        "pointwise_w": rng.standard_normal((24, 96, 1, 1)).astype(np.float32),
        "bias": rng.standard_normal(24).astype(np.float32),
    }
    how = {"padding": 1, "depthwise_activation": "relu6", "layout": layout}
    return to_last(x) if layout == "channels_last" else x, w, how


@pytest.mark.parametrize("layout", LAYOUTS)
def test_neither_threads_nor_memory_nor_batch_change_a_bit(layout: str, isa: str) -> None:
    x, w, how = mobile(layout)
    y = npconv.separable_conv2d(x, **w, **how, num_threads=1)
    for threads in (2, 3, 7):
        assert npconv.separable_conv2d(x, **w, **how, num_threads=threads).tobytes() == y.tobytes()
    for view in ("strided", "swapped", "misaligned"):
        placed = {name: place(a, view, np.random.default_rng(1)) for name, a in w.items()}
        other = npconv.separable_conv2d(place(x, view, np.random.default_rng(2)), **placed, **how)
        assert other.tobytes() == y.tobytes()
    assert npconv.separable_conv2d(x[1], **w, **how).tobytes() == y[1].tobytes()


@pytest.mark.parametrize("wanted", ["channel", "pixel"])
def test_the_sign_of_a_zero_does_not_depend_on_how_maps_are_cut(wanted: str, isa: str) -> None:
    x, w = np.zeros((4, 96, 28, 28), np.float32), -np.ones((96, 1, 3, 3), np.float32)
    ones, minus_zero = np.ones((8, 96, 1, 1), np.float32), np.full(96, -0.0, np.float32)
    with lane(wanted):
        alone = npconv.separable_conv2d(
            x[:1], w, ones, depthwise_bias=minus_zero, padding=1, num_threads=1
        ).tobytes()
        for threads in (1, 2, 3):
            for batch in (1, 2, 4):
                y = npconv.separable_conv2d(
                    x[:batch], w, ones, depthwise_bias=minus_zero, padding=1, num_threads=threads
                )
                assert y[:1].tobytes() == alone


@pytest.mark.parametrize("layout", LAYOUTS)
def test_plans(layout: str, isa: str) -> None:
    x, w, how = mobile(layout)
    y = npconv.separable_conv2d(x, **w, **how)
    plan = npconv.plan_separable_conv2d((None, *x.shape[1:]), **w, **how)
    assert plan.algorithm == "separable"
    assert plan.x_shape == (None, *x.shape[1:])
    assert plan.output_shape == (None, *y.shape[1:])
    assert plan.flops == 2 * 28 * 28 * 96 * (9 + 24)
    out = np.full_like(y, np.nan)
    assert plan(x, out=out) is out
    assert out.tobytes() == y.tobytes()
    assert plan(x[:1]).tobytes() == y[:1].tobytes()
    assert plan(x, residual=y).tobytes() == npconv.separable_conv2d(x, residual=y, **w, **how).tobytes()
    kept = y.copy()
    plan(x, residual=kept, out=kept)  # in place
    assert kept.tobytes() == plan(x, residual=y).tobytes()

    fixed = plan.for_shape(x[:, :20].shape if layout == "channels_last" else x[:, :, :20].shape)
    part = np.ascontiguousarray(x[:, :20] if layout == "channels_last" else x[:, :, :20])
    assert fixed(part).tobytes() == npconv.separable_conv2d(part, **w, **how).tobytes()

    other = {name: a + 1 for name, a in w.items() if name != "bias"}
    plan.update_weights(**other)  # the bias stays
    assert plan(x).tobytes() == npconv.separable_conv2d(x, **other, bias=w["bias"], **how).tobytes()
    assert fixed(part).tobytes() == npconv.separable_conv2d(part, **w, **how).tobytes()
    for said in ("separable", "depthwise", "pointwise", "block(s)", "workspace", "|y - exact|"):
        assert said in plan.explain()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wanted", ["automatic", "pixel"])
@pytest.mark.parametrize(
    ("channels", "size", "k"),
    [
        (16, (60, 60), 5),
        (960, (60, 60), 5),
        (100_000, (9, 9), 5),
        (100_000, (17, 17), 3),
        (32, (8, 16384), 3),
    ],
)
def test_workspace_is_told_exactly_and_bounded(
    channels: int, size: tuple[int, int], k: int, wanted: str, layout: str
) -> None:
    if wanted == "pixel" and layout == "channels_last":
        pytest.skip("channels last has lanes of channels only")
    shape = (1, channels, *size) if layout == "channels_first" else (1, *size, channels)
    x = np.zeros(shape, np.float32)
    depthwise_w, pointwise_w = (
        np.zeros((channels, 1, k, k), np.float32),
        np.zeros((32, channels, 1, 1), np.float32),
    )
    for threads in (1, 2, 5):
        with lane(wanted):
            plan = npconv.plan_separable_conv2d(
                shape, depthwise_w, pointwise_w, padding=k // 2, layout=layout, num_threads=threads
            )
            out = plan(x)
            before = _core._buffer_bytes_made()
            plan(x, out=out)
            assert _core._buffer_bytes_made() - before == plan.workspace_bytes
        assert plan.workspace_bytes <= threads * 6 << 20


def test_values_that_are_not_finite_go_where_the_definition_says(isa: str) -> None:
    x, depthwise_w = ints((1, 3, 9, 9)), ints((3, 1, 3, 3), seed=1)
    pointwise_w = ints((4, 3, 1, 1), seed=2)
    depthwise_w[1, 0, 0, 0] = np.inf
    x[0, 2, 4, 4] = np.nan
    for mode in MODES:
        how: dict[str, Any] = {"padding": 1, "padding_mode": mode}
        y = npconv.separable_conv2d(x, depthwise_w, pointwise_w, **how)
        with np.errstate(invalid="ignore"):
            z = npconv.conv2d(x, depthwise_w, groups=3, algorithm="naive", **how)
            want = npconv.conv2d(z, pointwise_w, algorithm="naive")
        assert np.array_equal(y, want, equal_nan=True)


def test_empty_results() -> None:
    w = np.ones((2, 1, 3, 3), np.float32), np.ones((5, 2, 1, 1), np.float32)
    assert npconv.separable_conv2d(np.ones((0, 2, 4, 4), np.float32), *w).shape == (0, 5, 2, 2)
    none = np.ones((0, 2, 1, 1), np.float32)
    assert npconv.separable_conv2d(np.ones((1, 2, 4, 4), np.float32), w[0], none).shape == (1, 0, 2, 2)


X, DEPTHWISE, POINTWISE = ints((1, 3, 8, 8)), ints((6, 1, 3, 3)), ints((4, 6, 1, 1))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": ints((3, 3))}, ValueError, "x must have 4 axes"),
        ({"x": ints((1, 4, 8, 8))}, ValueError, "depthwise_w must have shape .*4 channels of x.*got .6, 1"),
        ({"x": X.astype(int)}, TypeError, "x must have dtype float32 or float64"),
        ({"depthwise_w": ints((6, 2, 3, 3))}, ValueError, "depthwise_w must have shape"),
        ({"depthwise_w": DEPTHWISE.astype(np.float64)}, TypeError, "depthwise_w"),
        ({"depthwise_w": np.zeros((6, 1, 0, 3), np.float32)}, ValueError, "depthwise_w must have shape"),
        ({"x": np.zeros((1, 0, 8, 8), np.float32)}, ValueError, "x must have at least one channel"),
        ({"depthwise_w": ints((6, 1, 9, 9))}, ValueError, "kernel must not be larger"),
        ({"pointwise_w": ints((4, 5, 1, 1))}, ValueError, r"pointwise_w must have .*6, 1, 1.*got .4, 5"),
        ({"pointwise_w": ints((4, 6, 3, 3))}, ValueError, "pointwise_w must have shape"),
        ({"pointwise_w": POINTWISE.astype(np.float64)}, TypeError, "pointwise_w"),
        ({"bias": ints((6,))}, ValueError, r"bias must have shape \(4,\)"),
        ({"depthwise_bias": ints((4,))}, ValueError, r"depthwise_bias must have shape \(6,\)"),
        ({"depthwise_bias": np.zeros(6)}, TypeError, "depthwise_bias"),
        ({"depthwise_activation": "swish"}, ValueError, "depthwise_activation must be None, one of"),
        ({"depthwise_activation": ("clip", 2, 1)}, ValueError, "depthwise_activation: the limits of clip"),
        ({"activation": 3}, TypeError, "activation must be None, one of"),
        ({"residual": ints((1, 4, 8, 8))}, ValueError, "residual must have the shape of the result"),
        ({"stride": 0}, ValueError, "stride"),
        ({"out": np.zeros((1, 4, 8, 8), np.float32)}, ValueError, "out"),
        ({"padding": (1, 2, 3)}, ValueError, "padding"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"x": X, "depthwise_w": DEPTHWISE, "pointwise_w": POINTWISE} | change
    with pytest.raises(error, match=message):
        npconv.separable_conv2d(**arguments)


def test_out_stays_untouched_where_something_is_wrong() -> None:
    out = canary((1, 4, 6, 6))
    before = out.tobytes()
    with pytest.raises(ValueError, match="pointwise_w"):
        npconv.separable_conv2d(X, DEPTHWISE, POINTWISE[:, :5], out=out)
    assert out.tobytes() == before
    with pytest.raises(ValueError, match="overlap"):
        npconv.separable_conv2d(out[:, :3, :, :], DEPTHWISE, POINTWISE, padding=1, out=out[:, :, :, :])
    assert out.tobytes() == before


def test_wrong_arguments_of_plans() -> None:
    with pytest.raises(TypeError, match="plan_separable_conv2d"):
        npconv.SeparableConvPlan()
    with pytest.raises(ValueError, match="x_shape may have None"):
        npconv.plan_separable_conv2d((1, 3, None, 8), DEPTHWISE, POINTWISE)
    with pytest.raises(ValueError, match="x_shape must have 4 axes"):
        npconv.plan_separable_conv2d((3,), DEPTHWISE, POINTWISE)
    plan = npconv.plan_separable_conv2d((1, 3, 8, 8), DEPTHWISE, POINTWISE)
    with pytest.raises(ValueError, match="does not fit"):
        plan.for_shape((1, 3, 2**31, 2**31))
    with pytest.raises(ValueError, match="x must have the shape that the plan was made for"):
        plan(ints((1, 3, 8, 9)))
    with pytest.raises(ValueError, match="depthwise_w must have the shape"):
        plan.update_weights(DEPTHWISE[:3], POINTWISE)
    with pytest.raises(ValueError, match="as many axes"):
        plan.for_shape((3, 8, 8))
    with forced(_core._isa_names()[-1]):
        assert plan(X).shape == (1, 4, 6, 6)
