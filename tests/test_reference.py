# SPDX-License-Identifier: BSD-3-Clause
"""The oracle, checked: against SciPy, np.convolve and np.pad, against literal loops, and by hand.

npconv itself does not take part: what these tests establish, all others rely on.
"""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import cases
import numpy as np
import pytest
import reference
import scipy.ndimage
import scipy.signal
import scipy.special
from reference import conv

NUMPY_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
SIZES: dict[int, list[tuple[tuple[int, ...], tuple[int, ...]]]] = {
    1: [((9,), (3,)), ((8,), (4,)), ((5,), (5,)), ((7,), (1,))],
    2: [((6, 7), (3, 2)), ((5, 5), (5, 1)), ((4, 9), (2, 4))],
    3: [((4, 5, 6), (3, 2, 1)), ((3, 3, 4), (2, 3, 3))],
}
SHAPES = [(size, kernel) for rank in SIZES for size, kernel in SIZES[rank]]


def integers(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).integers(-9, 9, shape, endpoint=True).astype(np.float64)


def np_pad(x: Any, widths: Any, mode: str) -> Any:
    """np.pad by axis. NumPy 1.26 errs where "reflect" must reflect more than once: whole ones first."""
    for axis, (before, after) in enumerate(widths):
        only = [(0, 0)] * axis, [(0, 0)] * (x.ndim - axis - 1)
        if mode != "reflect" or x.shape[axis] < 2:
            x = np.pad(x, [*only[0], (before, after), *only[1]], NUMPY_MODES[mode])  # type: ignore[call-overload]
            continue
        grown = 0
        while grown < max(before, after):
            step = x.shape[axis] - 1
            x = np.pad(x, [*only[0], (step, step), *only[1]], "reflect")
            grown += step
        x = x.take(range(grown - before, x.shape[axis] - grown + after), axis)
    return x


# ---- SciPy and NumPy, one channel --------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "kernel"), SHAPES)
@pytest.mark.parametrize("padding", ["valid", "full"])
def test_scipy_correlate_and_convolve(size: Any, kernel: Any, padding: str) -> None:
    x, w = integers(1, *size), integers(2, *kernel)
    got = conv(x, w, spatial_rank=x.ndim, padding=padding)
    np.testing.assert_array_equal(got, scipy.signal.correlate(x, w, padding, method="direct"))
    got = conv(x, w, spatial_rank=x.ndim, padding=padding, flip=True)
    np.testing.assert_array_equal(got, scipy.signal.convolve(x, w, padding, method="direct"))


@pytest.mark.parametrize(("size", "kernel"), SHAPES)
def test_scipy_same_is_same_lower(size: Any, kernel: Any) -> None:
    """SciPy centres "same" with the odd element before; so does np.convolve."""
    x, w = integers(3, *size), integers(4, *kernel)
    got = conv(x, w, spatial_rank=x.ndim, padding="same_lower", flip=True)
    np.testing.assert_array_equal(got, scipy.signal.convolve(x, w, "same", method="direct"))
    if x.ndim == 1:
        np.testing.assert_array_equal(got, np.convolve(x, w, "same"))


@pytest.mark.parametrize("padding", ["valid", "full"])
def test_np_convolve(padding: Any) -> None:
    x, w = integers(5, 12), integers(6, 5)
    got = conv(x, w, spatial_rank=1, padding=padding, flip=True)
    np.testing.assert_array_equal(got, np.convolve(x, w, padding))


@pytest.mark.parametrize(
    ("mode", "name"),
    [("zeros", "constant"), ("reflect", "mirror"), ("replicate", "nearest"), ("circular", "wrap")],
)
@pytest.mark.parametrize(("size", "kernel"), SHAPES)
def test_scipy_ndimage_modes(size: Any, kernel: Any, mode: str, name: str) -> None:
    x, w = integers(7, *size), integers(8, *kernel)
    got = conv(x, w, spatial_rank=x.ndim, padding="same_lower", padding_mode=mode)
    np.testing.assert_array_equal(got, scipy.ndimage.correlate(x, w, mode=name))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_channels_groups_stride_and_dilation_from_scipy(rank: int) -> None:
    """Sums of SciPy's correlations, the kernel blown up by zeros for the dilation, sliced for the stride."""
    size, kernel = (11, 9, 10)[:rank], (2, 3, 2)[:rank]
    stride, dilation = (2, 3, 1)[:rank], (3, 1, 2)[:rank]
    groups, batch, cin, cout = 2, 2, 4, 6
    x, w, bias = (
        integers(9, batch, cin, *size),
        integers(10, cout, cin // groups, *kernel),
        integers(11, cout),
    )
    blown = np.zeros((cout, cin // groups, *(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))))
    blown[(..., *(slice(None, None, d) for d in dilation))] = w
    want = []
    for b, o in itertools.product(range(batch), range(cout)):
        first = o // (cout // groups) * (cin // groups)
        maps = [
            scipy.signal.correlate(x[b, first + c], blown[o, c], "valid", method="direct") for c in (0, 1)
        ]
        want.append(sum(maps)[tuple(slice(None, None, s) for s in stride)] + bias[o])
    got = conv(x, w, bias, spatial_rank=rank, stride=stride, dilation=dilation, groups=groups)
    np.testing.assert_array_equal(got, np.reshape(want, got.shape))


# ---- borders -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", NUMPY_MODES)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_border_is_np_pad(size: int, mode: Any) -> None:
    """Every width from none to several times the input, both sides independent."""
    x = np.arange(1.0, size + 1)
    for before, after in itertools.product((0, 1, 2, 3, 4, 7, 8, 9, 16, 25), repeat=2):
        got = reference.pad(x, [(before, after)], mode)
        np.testing.assert_array_equal(got, np_pad(x, [(before, after)], mode))


@pytest.mark.parametrize("mode", NUMPY_MODES)
def test_pad_is_np_pad_in_3d(mode: str) -> None:
    x = integers(12, 2, 3, 4, 1, 3)
    widths = [(2, 0), (0, 3), (7, 1)]
    want = np_pad(x, [(0, 0), (0, 0), *widths], mode)
    np.testing.assert_array_equal(reference.pad(x, widths, mode), want)


@pytest.mark.parametrize("mode", NUMPY_MODES)
def test_conv_with_padding_is_conv_of_np_pad(mode: str) -> None:
    x, w = integers(13, 2, 3, 4, 5), integers(14, 2, 3, 3, 3)
    padded = np_pad(x, [(0, 0), (0, 0), (6, 1), (0, 9)], mode)
    got = conv(x, w, spatial_rank=2, padding=((6, 1), (0, 9)), padding_mode=mode)
    np.testing.assert_array_equal(got, conv(padded, w, spatial_rank=2))


# ---- literal loops -----------------------------------------------------------------------------------------


def conv_by_loops(data: cases.Arrays, case: cases.Case) -> Any:
    """The definition in scalar loops, borders by np.pad, sizes by counting the windows that fit."""
    x, w, bias, residual = data
    rank = case.rank
    if case.single:
        x, w = x[None, None], w[None, None]
    elif case.batch is None:
        x = x[None]
    stride, dilation = (v if isinstance(v, tuple) else (v,) * rank for v in (case.stride, case.dilation))
    widths = []
    for axis in range(rank):
        n, extent, p = case.spatial[axis], (case.kernel[axis] - 1) * dilation[axis] + 1, case.padding
        if isinstance(p, str):
            want = len(range(0, n, stride[axis]))  # ceil(n / stride)
            total = 0
            while len(range(0, n + total - extent + 1, stride[axis])) < want:
                total += 1
            p = {
                "valid": (0, 0),
                "full": (extent - 1, extent - 1),
                "same": (total // 2, math.ceil(total / 2)),
                "same_lower": (math.ceil(total / 2), total // 2),
                "causal": (total, 0),
            }[p]
        else:
            p = p[axis] if isinstance(p, tuple) else p
            p = p if isinstance(p, tuple) else (p, p)
        widths.append(p)
    if math.prod(case.spatial) or case.mode == "zeros":
        x = np_pad(x, [(0, 0), (0, 0), *widths], case.mode)
    starts = [
        range(0, x.shape[2 + a] - (case.kernel[a] - 1) * dilation[a], stride[a])
        if case.spatial[a] or not isinstance(case.padding, str) or case.padding == "full"
        else range(0)
        for a in range(rank)
    ]
    y = np.zeros((x.shape[0], w.shape[0], *map(len, starts)))
    per_group_in, per_group_out = w.shape[1], w.shape[0] // case.groups
    for b, o in itertools.product(range(y.shape[0]), range(y.shape[1])):
        for at, corner in zip(np.ndindex(y.shape[2:]), itertools.product(*starts), strict=True):
            total = 0.0 if bias is None else bias[o]
            for c in range(per_group_in):
                for tap in np.ndindex(case.kernel):
                    place = tuple(s + t * d for s, t, d in zip(corner, tap, dilation, strict=True))
                    weight = (
                        w[(o, c, *(k - 1 - t for k, t in zip(case.kernel, tap, strict=True)))]
                        if case.flip
                        else w[(o, c, *tap)]
                    )
                    total += x[(b, o // per_group_out * per_group_in + c, *place)] * weight
            y[(b, o, *at)] = total
    y = y[0, 0] if case.single else y[0] if case.batch is None else y
    return reference.activate(y if residual is None else y + residual, case.activation)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_random_cases_by_loops(rank: int) -> None:
    r = random.Random(rank)
    for _ in range(120):
        case = cases.random_case(r, rank, r.choice(("ints", "nonfinite")), macs=1_500)
        data = cases.arrays(case)
        with np.errstate(invalid="ignore"):
            want = conv_by_loops(data, case)
        np.testing.assert_array_equal(cases.solve(case).y, want, err_msg=repr(case))


def test_layouts_are_the_same_numbers() -> None:
    x, w, r = integers(15, 2, 4, 5, 6), integers(16, 6, 2, 3, 3), integers(17, 2, 6, 5, 6)
    how: dict[str, Any] = {"spatial_rank": 2, "padding": 1, "groups": 2}
    want = conv(x, w, residual=r, **how)
    last = [np.moveaxis(a, 1, -1) for a in (x, r)]
    got = conv(last[0], w, residual=last[1], layout="channels_last", **how)
    np.testing.assert_array_equal(got, np.moveaxis(want, 1, -1))
    got = conv(last[0][0], w, residual=last[1][0], layout="channels_last", **how)
    np.testing.assert_array_equal(got, np.moveaxis(want[0], 0, -1))


# ---- by hand -----------------------------------------------------------------------------------------------


def test_examples_by_hand() -> None:
    x, w = np.array([1.0, 2, 3, 4]), np.array([1.0, 0, -1])
    assert conv(x, w, spatial_rank=1).tolist() == [-2, -2]
    assert conv(x, w, spatial_rank=1, flip=True).tolist() == [2, 2]
    assert conv(x, w, spatial_rank=1, padding="causal").tolist() == [-1, -2, -2, -2]
    assert conv(x, w, spatial_rank=1, padding=1, padding_mode="reflect").tolist() == [0, -2, -2, 0]
    assert conv(x, w, spatial_rank=1, padding=1, padding_mode="replicate").tolist() == [-1, -2, -2, -1]
    assert conv(x, w, spatial_rank=1, padding=1, padding_mode="circular").tolist() == [2, -2, -2, 2]
    assert conv(x, w, spatial_rank=1, padding=((0, 1),), stride=2).tolist() == [-2, 3]
    residual = np.array([1.0, 5.0])
    assert conv(x, w, np.array([1.0]), spatial_rank=1, residual=residual, activation="relu").tolist() == [
        0,
        4,
    ]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "same", "outputs"),
    [
        (5, 3, 2, 1, (1, 1), 3),
        (4, 3, 2, 1, (0, 1), 2),
        (224, 7, 2, 1, (2, 3), 112),
        (6, 4, 1, 1, (1, 2), 6),
        (6, 3, 1, 2, (2, 2), 6),
        (5, 1, 3, 1, (0, 0), 2),
        (0, 3, 1, 1, (0, 0), 0),
    ],
)
def test_named_paddings_by_hand(
    size: int, kernel: int, stride: int, dilation: int, same: tuple[int, int], outputs: int
) -> None:
    extent = dilation * (kernel - 1) + 1
    assert reference.axis_padding("same", size, extent, stride) == same
    assert reference.axis_padding("same_lower", size, extent, stride) == same[::-1]
    assert reference.axis_padding("causal", size, extent, stride) == (sum(same), 0)
    assert reference.axis_padding("full", size, extent, stride) == (extent - 1, extent - 1)
    for name in ("same", "same_lower", "causal"):
        assert reference.output_size([size], [kernel], stride, name, dilation) == (outputs,)


def test_empty_results_and_empty_sums() -> None:
    w, bias = np.ones((2, 3, 3)), np.array([1.0, -2.0])
    assert conv(np.ones((0, 3, 5)), w, spatial_rank=1).shape == (0, 2, 3)
    assert conv(np.ones((1, 3, 0)), w, spatial_rank=1, padding="same").shape == (1, 2, 0)
    assert conv(np.ones((1, 3, 0)), w, bias, spatial_rank=1, padding=2).tolist() == [[[1, 1], [-2, -2]]]
    assert conv(np.ones((1, 0, 4)), w[:, :0], bias, spatial_rank=1).tolist() == [[[1, 1], [-2, -2]]]
    with pytest.raises(ValueError, match="larger than the input"):
        conv(np.ones((1, 3, 2)), w, spatial_rank=1)


def test_zeros_of_the_border_are_multiplied() -> None:
    got = conv(np.array([1.0, 2.0]), np.array([np.inf, 1.0]), spatial_rank=1, padding=1)
    np.testing.assert_array_equal(got, [np.nan, np.inf, np.inf])


# ---- activations -------------------------------------------------------------------------------------------


def test_exact_activations_by_hand() -> None:
    y = np.array([-8.0, -1, 0, 5, 8, np.nan, np.inf, -np.inf])
    inf = np.inf
    table: dict[Any, list[float]] = {
        "relu": [0, 0, 0, 5, 8, np.nan, inf, 0],
        "relu6": [0, 0, 0, 5, 6, np.nan, 6, 0],
        ("leaky_relu", 0.5): [-4, -0.5, 0, 5, 8, np.nan, inf, -inf],
        ("leaky_relu", -1.0): [8, 1, 0, 5, 8, np.nan, inf, inf],
        ("clip", -2.0, 6.5): [-2, -1, 0, 5, 6.5, np.nan, 6.5, -2],
        "hardswish": [0, -1 / 3, 0, 5, 8, np.nan, inf, 0],
    }
    for activation, want in table.items():
        np.testing.assert_allclose(reference.activate(y, activation).astype(float), want, rtol=1e-15)
    assert reference.activate(y, "leaky_relu")[1] == pytest.approx(-0.01)


def test_limits_of_smooth_activations() -> None:
    y = np.array([-np.inf, np.inf, np.nan, 0.0])
    for name in ("silu", "gelu", "gelu_tanh"):
        np.testing.assert_array_equal(reference.activate(y, name), [0, np.inf, np.nan, 0])
    np.testing.assert_array_equal(reference.activate(y, "sigmoid"), [0, 1, np.nan, 0.5])
    np.testing.assert_array_equal(reference.activate(y, "tanh"), [-1, 1, np.nan, 0])


def test_erfc_to_twenty_five_digits() -> None:
    """mpmath 1.3, mp.dps = 50."""
    table = {
        -1.0: "1.842700792949714869341221",
        0.5: "0.4795001221869534623172533",
        1.0: "0.1572992070502851306587794",
        2.0: "0.004677734981047265837930744",
        5.0: "1.537459794428034850188343e-12",
    }
    want = np.array([np.longdouble(text) for text in table.values()])
    error = abs(reference.erfc(np.array(list(table))) / want - 1)
    assert (error < 16 * np.finfo(np.longdouble).eps).all()


def test_smooth_activations_are_scipy_s() -> None:
    y = np.linspace(-6, 6, 101)
    inner = np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)
    table = {
        "sigmoid": scipy.special.expit(y),
        "silu": y * scipy.special.expit(y),
        "tanh": np.tanh(y),
        "gelu": y * scipy.special.ndtr(y),
        "gelu_tanh": y / 2 * (1 + np.tanh(inner)),
    }
    for name, want in table.items():
        np.testing.assert_allclose(reference.activate(y, name).astype(float), want, rtol=1e-12, atol=1e-15)


# ---- the cases ---------------------------------------------------------------------------------------------


def test_cases_print_what_makes_them_again() -> None:
    r = random.Random(5)
    for _ in range(200):
        case = cases.random_case(r, None, inexact=True)
        assert eval(repr(case), vars(cases)) == case
        assert "\n" not in repr(case)
        assert min(case.pixels) >= 0  # it is valid


def test_views_hold_the_same_values_in_other_memory() -> None:
    rng = np.random.default_rng(3)
    seen = set()
    for how in cases.VIEWS[:-1] * 20:
        a = np.repeat(integers(4, 3, 1, 4), 2, axis=1)
        got = cases.place(a, how, rng)
        np.testing.assert_array_equal(got, a)
        seen |= {"negative"} if min(got.strides) < 0 else set()
        seen |= {"zero"} if 0 in got.strides else set()
        seen |= {"permuted"} if abs(got.strides[0]) < abs(got.strides[2]) else set()
        seen |= {"swapped"} if not got.dtype.isnative else set()
        seen |= {"misaligned"} if not got.flags.aligned else set()
    assert seen == {"negative", "zero", "permuted", "swapped", "misaligned"}
