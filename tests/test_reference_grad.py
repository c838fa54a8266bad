# SPDX-License-Identifier: BSD-3-Clause
"""The oracle of transposed convolution and of the gradients, checked: the matrix of the forward operator,
SciPy, literal loops, and by hand. npconv itself does not take part.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
import reference_grad
import scipy.signal
from cases import MODES
from reference import Array, conv, output_size
from reference_grad import (
    conv_bias,
    conv_input,
    conv_transpose,
    conv_transpose_input,
    conv_transpose_weight,
    conv_weight,
    transposed_size,
)


def integers(rng: np.random.Generator, *shape: int) -> Array:
    return rng.integers(-9, 9, shape, endpoint=True).astype(np.float64)


def drawn(r: random.Random, rank: int) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]] | None:
    """Shapes of x and w and the keywords of a tiny convolution; None if the kernel does not fit."""
    groups, of_group = r.choice((1, 1, 2)), r.choice((1, 2))
    kernel = [r.choice((1, 2, 3)) for _ in range(rank)]
    spatial = [r.choice((2, 3, 4, 5)) for _ in range(rank)]
    how: dict[str, Any] = {
        "stride": tuple(r.choice((1, 2, 3)) for _ in range(rank)),
        "dilation": tuple(r.choice((1, 1, 2)) for _ in range(rank)),
        "padding": r.choice((0, 1, "same", tuple((r.choice((0, 2)), r.choice((0, 1))) for _ in range(rank)))),
        "padding_mode": r.choice(MODES),
        "groups": groups,
        "flip": r.random() < 0.3,
    }
    try:
        output_size(spatial, kernel, how["stride"], how["padding"], how["dilation"])
    except ValueError:
        return None
    return (2, groups * of_group, *spatial), (groups * r.choice((1, 2)), of_group, *kernel), how


def units(shape: tuple[int, ...]) -> Array:
    """All arrays of this shape with a single one in them."""
    n = int(np.prod(shape))
    return np.eye(n).reshape(n, *shape)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_gradients_are_the_transposed_matrices_of_the_forward_operator(rank: int) -> None:
    r, rng = random.Random(rank), np.random.default_rng(rank)
    done = 0
    while done < (40 if rank < 3 else 12):
        case = drawn(r, rank)
        if case is None or np.prod(case[0]) > 300:
            continue
        done += 1
        x_shape, w_shape, how = case
        x, w = integers(rng, *x_shape), integers(rng, *w_shape)
        y = conv(x, w, spatial_rank=rank, **how)
        g = integers(rng, *y.shape)
        of_x = np.stack([conv(e, w, spatial_rank=rank, **how).ravel() for e in units(x_shape)])
        got = conv_input(x_shape, w, g, spatial_rank=rank, **how)
        np.testing.assert_array_equal(got, (of_x @ g.ravel()).reshape(x_shape), str(case))
        of_w = np.stack([conv(x, e, spatial_rank=rank, **how).ravel() for e in units(w_shape)])
        got = conv_weight(x, w_shape, g, spatial_rank=rank, **how)
        np.testing.assert_array_equal(got, (of_w @ g.ravel()).reshape(w_shape), str(case))


def test_layouts_and_bias() -> None:
    rng = np.random.default_rng(0)
    x, w = integers(rng, 2, 3, 5, 6), integers(rng, 4, 3, 3, 2)
    g = integers(rng, *conv(x, w, spatial_rank=2).shape)
    x_last, g_last = np.moveaxis(x, 1, -1), np.moveaxis(g, 1, -1)
    how: dict[str, Any] = {"spatial_rank": 2, "layout": "channels_last"}
    got = conv_input(x_last.shape, w, g_last, **how)
    np.testing.assert_array_equal(np.moveaxis(got, -1, 1), conv_input(x.shape, w, g, spatial_rank=2))
    np.testing.assert_array_equal(
        conv_weight(x_last, w.shape, g_last, **how), conv_weight(x, w.shape, g, spatial_rank=2)
    )
    np.testing.assert_array_equal(conv_bias(g_last, **how), g.sum((0, 2, 3)))
    one = conv_input(x.shape[1:], w, g[0], spatial_rank=2)
    np.testing.assert_array_equal(one, conv_input(x.shape, w, g, spatial_rank=2)[0])


def by_loops(x: Array, w: Array, how: dict[str, Any]) -> Array:
    """One channel, two dimensions: every product where it belongs."""
    (sh, sw), (dh, dw), ((top, bottom), (left, right)) = how["stride"], how["dilation"], how["padding"]
    more = how["output_padding"]
    height = (x.shape[0] - 1) * sh - top - bottom + dh * (w.shape[0] - 1) + 1 + more[0]
    width = (x.shape[1] - 1) * sw - left - right + dw * (w.shape[1] - 1) + 1 + more[1]
    y = np.zeros((height, width))
    for i, j, a, b in itertools.product(*(range(n) for n in (*x.shape, *w.shape))):
        row, column = i * sh + a * dh - top, j * sw + b * dw - left
        if 0 <= row < height and 0 <= column < width:
            y[row, column] += x[i, j] * w[a, b]
    return y


def test_transposed_is_every_product_where_it_belongs() -> None:
    r, rng = random.Random(4), np.random.default_rng(4)
    for _ in range(60):
        kernel = (r.choice((2, 3, 4)), r.choice((2, 3, 5)))
        how: dict[str, Any] = {
            "stride": (r.choice((1, 2, 5)), r.choice((1, 3))),
            "dilation": (r.choice((1, 2)), r.choice((1, 3))),
            "padding": ((r.choice((0, 1)), 0), (1, r.choice((0, 1)))),
            "output_padding": (r.choice((0, 1, 2)), r.choice((0, 1))),
        }
        x, w = integers(rng, 3, 4), integers(rng, *kernel)
        got = conv_transpose(x[None, None], w[None, None], spatial_rank=2, **how)[0, 0]
        np.testing.assert_array_equal(got, by_loops(x, w, how), str(how))


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_transposed_is_scipys_convolution_of_spread_values(stride: int) -> None:
    rng = np.random.default_rng(5)
    x, w = integers(rng, 7), integers(rng, 4)
    spread = np.zeros((7 - 1) * stride + 1)
    spread[::stride] = x
    got = conv_transpose(x[None, None], w[None, None], spatial_rank=1, stride=stride)[0, 0]
    np.testing.assert_array_equal(got, scipy.signal.convolve(spread, w, "full", method="direct"))


@pytest.mark.parametrize("padding", [0, 1, "same", "same_lower", ((0, 1), (2, 0))])
def test_transposed_is_the_gradient_of_a_convolution_in_its_input(padding: Any) -> None:
    """(With w[in, out / groups] for w[out, in / groups].)"""
    rng = np.random.default_rng(6)
    for stride, dilation in itertools.product((1, 2, 3), (1, 2)):
        x, w = integers(rng, 2, 4, 5, 6), integers(rng, 4, 3, 3, 2)
        how: dict[str, Any] = {"stride": stride, "dilation": dilation, "padding": padding, "groups": 2}
        sizes, _ = transposed_size((5, 6), (3, 2), stride, padding, 0, dilation)
        got = conv_transpose(x, w, spatial_rank=2, **how)
        assert got.shape == (2, 6, *sizes)
        np.testing.assert_array_equal(got, conv_input((2, 6, *sizes), w, x, spatial_rank=2, **how))
        if isinstance(padding, str):
            assert sizes == [5 * stride, 6 * stride]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_gradients_of_transposed_are_its_adjoints(rank: int) -> None:
    """<conv_transpose(x, w), g> == <x, its gradient in x> == <w, its gradient in w>."""
    r, rng = random.Random(rank), np.random.default_rng(rank)
    done = 0
    while done < 60:
        spatial, kernel, stride, dilation, padding, more = (
            tuple(r.choice(values) for _ in range(rank))
            for values in ((1, 1, 2, 3, 5), (1, 2, 3), (1, 2, 3), (1, 2), (0, 0, 1), (0, 0, 1))
        )
        given: Any = r.choice((padding, "same", "same_lower"))
        more = more if given == padding else 0
        sizes, _ = transposed_size(spatial, kernel, stride, given, more, dilation)
        if min(sizes) < 1:
            continue
        done += 1
        how: dict[str, Any] = {"stride": stride, "padding": given, "output_padding": more}
        how |= {"dilation": dilation, "groups": 2, "spatial_rank": rank}
        x, w = integers(rng, 2, 4, *spatial), integers(rng, 4, 3, *kernel)
        y = conv_transpose(x, w, **how)
        g = integers(rng, *y.shape)
        of_x, of_w = conv_transpose_input(x.shape, w, g, **how), conv_transpose_weight(x, w.shape, g, **how)
        assert (y * g).sum() == (x * of_x).sum() == (w * of_w).sum(), how
        other = integers(rng, *x.shape), integers(rng, *w.shape)  # neither gradient depends on its own array
        assert (conv_transpose(other[0], w, **how) * g).sum() == (other[0] * of_x).sum(), how
        assert (conv_transpose(x, other[1], **how) * g).sum() == (other[1] * of_w).sum(), how


def test_transposed_by_hand() -> None:
    x, w = np.array([[[1.0, 2.0]]]), np.array([[[1.0, 10.0, 100.0]]])
    bias = np.array([0.5])
    got = conv_transpose(x, w, bias, spatial_rank=1, stride=2, activation=("clip", 0, 150))
    np.testing.assert_array_equal(got, [[[1.5, 10.5, 102.5, 20.5, 150]]])
    got = conv_transpose(x, w, spatial_rank=1, stride=2, padding=1, output_padding=1)
    np.testing.assert_array_equal(got, [[[10, 102, 20, 200]]])
    got = conv_transpose(x, w, spatial_rank=1, stride=2, padding=1, output_size=(3,))
    np.testing.assert_array_equal(got, [[[10, 102, 20]]])
    got = conv_transpose(np.moveaxis(x, 1, -1), w, spatial_rank=1, stride=4, layout="channels_last")
    np.testing.assert_array_equal(got[0, :, 0], [1, 10, 100, 0, 2, 20, 200])


def test_border_folds_back_in_all_modes() -> None:
    g = np.ones((1, 1, 7))
    folded = {
        mode: conv_input((1, 1, 3), np.ones((1, 1, 1)), g, spatial_rank=1, padding=2, padding_mode=mode)
        for mode in MODES
    }
    np.testing.assert_array_equal(folded["zeros"][0, 0], [1, 1, 1])
    np.testing.assert_array_equal(folded["replicate"][0, 0], [3, 1, 3])  # 0 0 | 0 1 2 | 2 2
    np.testing.assert_array_equal(folded["circular"][0, 0], [2, 3, 2])  # 1 2 | 0 1 2 | 0 1
    np.testing.assert_array_equal(folded["reflect"][0, 0], [2, 3, 2])  # 2 1 | 0 1 2 | 1 0
    assert reference_grad.Geometry([3], [1], 1, 2, 1).outputs == (7,)
