# SPDX-License-Identifier: BSD-3-Clause
"""The oracle of pooling: every function and gradient in plain NumPy, written from the definition.

It shares nothing with npconv. The good place to start reading is `Windows`: where the taps of every window
lie in the plane, which of them are elements of x, and which of them an average counts. All the rest gathers
by it or, for the gradients, adds by it. `test_pool_reference.py` checks it against hand-written examples.

Maxima come back in the type of x. Averages, norms and sums come back in np.longdouble: the caller rounds.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from reference import Array, paddings, per_axis

WIDE: Any = np.longdouble
SAME = ("same", "same_lower", "causal")


# ---- windows -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Windows:
    """P windows of T taps each on a plane, both in row-major order."""

    spatial: tuple[int, ...]  # of x
    outputs: tuple[int, ...]  # P of them
    index: Array  # (P, T): the place of the tap in the flattened plane; 0 where it is not real
    real: Array  # (P, T): the tap is an element of x
    counted: Array  # (P, T): the tap is in x or its padding, not in what ceil_mode adds beyond it

    def gather(self, x: Array) -> Array:
        """(batch, channels, *spatial) -> (batch, channels, P, T); anything where a tap is not real."""
        flat = x.reshape(*x.shape[:2], math.prod(self.spatial))
        return flat[:, :, self.index]

    def spread(self, terms: Array) -> Array:
        """The adjoint of `gather`: (batch, channels, P, T) -> (batch, channels, *spatial), by addition."""
        flat = np.zeros((*terms.shape[:2], math.prod(self.spatial)), WIDE)
        places = self.index[self.real]
        np.add.at(flat, (slice(None), slice(None), places), terms[:, :, self.real].astype(WIDE))
        return flat.reshape(*terms.shape[:2], *self.spatial)

    def shaped(self, y: Array) -> Array:
        """(batch, channels, P) -> (batch, channels, *outputs)."""
        return y.reshape(*y.shape[:2], *self.outputs)

    def lined(self, y: Array) -> Array:
        """(batch, channels, *outputs) -> (batch, channels, P, 1); an error for other sizes."""
        if y.shape[2:] != self.outputs:
            raise ValueError(f"the pixels are {y.shape[2:]}, expected {self.outputs}")
        return y.reshape(*y.shape[:2], math.prod(self.outputs), 1)


def joined(spatial: Sequence[int], axes: Sequence[tuple[Array, Array, Array]]) -> Windows:
    """The windows whose taps have these (outputs, taps) places on each axis, and are real and counted so."""
    index, real, counted = np.zeros((1, 1), np.int64), np.ones((1, 1), bool), np.ones((1, 1), bool)

    def cross(before: Array, axis: Array) -> tuple[Array, Array]:
        """Both over all pairs of windows and all pairs of taps, the later axis running faster."""
        shape = (before.shape[0], axis.shape[0], before.shape[1], axis.shape[1])
        return np.broadcast_to(before[:, None, :, None], shape), np.broadcast_to(axis[None, :, None], shape)

    for n, (place, is_real, is_counted) in zip(spatial, axes, strict=True):
        shape = (index.shape[0] * place.shape[0], index.shape[1] * place.shape[1])
        a, b = cross(index, place)
        index = (a * n + b).reshape(shape)
        a, b = cross(real, is_real)
        real = (a & b).reshape(shape)
        a, b = cross(counted, is_counted)
        counted = (a & b).reshape(shape)
    outputs = tuple(place.shape[0] for place, _, _ in axes)
    return Windows(tuple(spatial), outputs, np.where(real, index, 0), real, counted)


def sliding(
    spatial: Sequence[int],
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    any_padding: bool = False,
) -> Windows:
    """The windows of a kernel that slides over a padded plane. `any_padding`: it may exceed the kernel."""
    rank = len(spatial)
    kernel, dilations = per_axis(kernel_size, rank), per_axis(dilation, rank)
    strides = kernel if stride is None else per_axis(stride, rank)
    pads = paddings(padding, spatial, kernel, strides, dilations)
    axes = []
    for n, k, s, d, (before, after) in zip(spatial, kernel, strides, dilations, pads, strict=True):
        extent = d * (k - 1) + 1
        if n < 1:
            raise ValueError("an axis is empty")
        if not any_padding and max(before, after) >= extent:
            raise ValueError(f"padding ({before}, {after}) is not below the kernel's {extent}")
        if padding in SAME:
            outputs = -(-n // s)
        else:
            outputs = (n + before + after - extent + (s - 1 if ceil_mode else 0)) // s + 1
            if ceil_mode and (outputs - 1) * s >= n + before:
                outputs -= 1
        if outputs < 1:
            raise ValueError(f"no window of {extent} in {n} padded by {before}+{after}")
        place = np.arange(outputs)[:, None] * s - before + np.arange(k) * d
        axes.append((place, (place >= 0) & (place < n), place < n + after))
    return joined(spatial, axes)


def adaptive(spatial: Sequence[int], output_size: Any) -> Windows:
    """Windows [floor(o n / out), ceil((o + 1) n / out)); the short ones end in taps that are not real."""
    rank = len(spatial)
    wanted = output_size if isinstance(output_size, Sequence) else [output_size] * rank
    axes = []
    for n, entry in zip(spatial, wanted, strict=True):
        outputs = n if entry is None else int(entry)
        if n < 1 or outputs < 1:
            raise ValueError("an axis is empty")
        first = [o * n // outputs for o in range(outputs)]
        last = [-(-(o + 1) * n // outputs) for o in range(outputs)]
        place = np.array(first)[:, None] + np.arange(max(b - a for a, b in zip(first, last, strict=True)))
        real = place < np.array(last)[:, None]
        axes.append((place, real, real))
    return joined(spatial, axes)


# ---- forms and layouts -------------------------------------------------------------------------------------


def unify(a: Array, rank: int, layout: str, spatial_axes: int | None = None) -> Array:
    """Any form and layout -> (batch, channels, *spatial). `spatial_axes`: if not `rank` of them are left."""
    axes = rank if spatial_axes is None else spatial_axes
    if a.ndim == axes:
        return a[None, None]
    if layout == "channels_last":
        a = np.moveaxis(a, -1, -1 - axes)
    return a if a.ndim == axes + 2 else a[None]


def like(y: Array, x_ndim: int, rank: int, layout: str) -> Array:
    """(batch, channels, ...) -> the form of an x of so many axes, in its layout."""
    if x_ndim == rank:
        return y[0, 0, ...]
    if layout == "channels_last":
        y = np.moveaxis(y, 1, -1)
    return y if x_ndim == rank + 2 else y[0]


def spatial_of(shape: Sequence[int], rank: int, layout: str) -> tuple[int, ...]:
    """The spatial sizes of a shape of any form."""
    shape = tuple(shape)
    if len(shape) == rank:
        return shape
    return shape[-rank - 1 : -1] if layout == "channels_last" else shape[-rank:]


# ---- forward -----------------------------------------------------------------------------------------------


def lowest(dtype: Any) -> Any:
    dtype = np.dtype(dtype)
    return dtype.type(-np.inf) if dtype.kind == "f" else np.iinfo(dtype).min


def highest(dtype: Any) -> Any:
    dtype = np.dtype(dtype)
    return dtype.type(np.inf) if dtype.kind == "f" else np.iinfo(dtype).max


def _max(x: Array, windows: Windows) -> tuple[Array, Array]:
    return _extreme(x, windows, np.max, lowest(x.dtype))


def _min(x: Array, windows: Windows) -> tuple[Array, Array]:
    return _extreme(x, windows, np.min, highest(x.dtype))


def _extreme(x: Array, windows: Windows, of: Any, nothing: Any) -> tuple[Array, Array]:
    """Of each window the last NaN, else the first maximum (or what `of` is), and its place.

    Where nothing is real: `nothing`, which loses against every number, and -1.
    """
    x = x.astype(x.dtype.newbyteorder("="))
    values, real = windows.gather(x), windows.real
    is_nan = real & (values != values)
    last_nan = real.shape[1] - 1 - is_nan[..., ::-1].argmax(-1)
    top = of(np.where(real & ~is_nan, values, nothing), -1, keepdims=True)
    first_top = (real & (values == top)).argmax(-1)
    tap = np.where(is_nan.any(-1), last_nan, first_top)[..., None]
    y = np.take_along_axis(values, tap, -1)[..., 0]
    places = np.take_along_axis(np.broadcast_to(windows.index, values.shape), tap, -1)[..., 0]
    some = real.any(-1)
    y, places = np.where(some, y, nothing).astype(x.dtype), np.where(some, places, -1).astype(np.int64)
    return windows.shaped(y), windows.shaped(places)


def divisors(windows: Windows, count_include_pad: bool, divisor_override: int | None) -> Array:
    """(P,) numbers by which the sums are divided."""
    if divisor_override is not None:
        return np.full(len(windows.real), divisor_override)
    return (windows.counted if count_include_pad else windows.real).sum(-1)


def _sum(terms: Array, windows: Windows) -> Array:
    """(batch, channels, P, T) -> (batch, channels, P), over the taps that are real."""
    with np.errstate(invalid="ignore"):
        return np.where(windows.real, terms.astype(WIDE), 0).sum(-1)


def _mean(x: Array, windows: Windows, divisor: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return windows.shaped(_sum(windows.gather(x), windows) / divisor)


def max_pool(
    x: Array,
    kernel_size: Any,
    *,
    rank: int,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    layout: str = "channels_first",
) -> tuple[Array, Array]:
    """(values, indices)"""
    planes = unify(x, rank, layout)
    windows = sliding(planes.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    y, places = _max(planes, windows)
    return like(y, x.ndim, rank, layout), like(places, x.ndim, rank, layout)


def min_pool(
    x: Array,
    kernel_size: Any,
    *,
    rank: int,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    layout: str = "channels_first",
) -> tuple[Array, Array]:
    """(values, indices)"""
    planes = unify(x, rank, layout)
    windows = sliding(planes.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    y, places = _min(planes, windows)
    return like(y, x.ndim, rank, layout), like(places, x.ndim, rank, layout)


def avg_pool(
    x: Array,
    kernel_size: Any,
    *,
    rank: int,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: str = "channels_first",
) -> Array:
    planes = unify(x, rank, layout)
    windows = sliding(planes.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    y = _mean(planes, windows, divisors(windows, count_include_pad, divisor_override))
    return like(y, x.ndim, rank, layout)


def lp_pool(
    x: Array,
    norm_type: float,
    kernel_size: Any,
    *,
    rank: int,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    layout: str = "channels_first",
) -> Array:
    planes = unify(x, rank, layout)
    windows = sliding(planes.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    y = windows.shaped(_norm(windows.gather(planes), windows, WIDE(norm_type)))
    return like(y, x.ndim, rank, layout)


def _norm(values: Array, windows: Windows, p: Any) -> Array:
    return _sum(np.abs(values.astype(WIDE)) ** p, windows) ** (1 / p)


def adaptive_max_pool(
    x: Array, output_size: Any, *, rank: int, layout: str = "channels_first"
) -> tuple[Array, Array]:
    """(values, indices)"""
    planes = unify(x, rank, layout)
    y, places = _max(planes, adaptive(planes.shape[2:], output_size))
    return like(y, x.ndim, rank, layout), like(places, x.ndim, rank, layout)


def adaptive_avg_pool(x: Array, output_size: Any, *, rank: int, layout: str = "channels_first") -> Array:
    planes = unify(x, rank, layout)
    windows = adaptive(planes.shape[2:], output_size)
    return like(_mean(planes, windows, windows.real.sum(-1)), x.ndim, rank, layout)


def _without(y: Array, rank: int, keepdims: bool) -> Array:
    """(batch, channels, 1, ...) with or without its spatial axes."""
    return y if keepdims else y.reshape(y.shape[:2])


def global_max_pool(
    x: Array, *, rank: int, keepdims: bool = True, layout: str = "channels_first"
) -> tuple[Array, Array]:
    """(values, indices)"""
    planes = unify(x, rank, layout)
    both = _max(planes, adaptive(planes.shape[2:], 1))
    y, places = (like(_without(a, rank, keepdims), x.ndim, rank, layout) for a in both)
    return y, places


def global_avg_pool(x: Array, *, rank: int, keepdims: bool = True, layout: str = "channels_first") -> Array:
    planes = unify(x, rank, layout)
    y = _mean(planes, adaptive(planes.shape[2:], 1), np.array([math.prod(planes.shape[2:])]))
    return like(_without(y, rank, keepdims), x.ndim, rank, layout)


def unpooled_size(
    spatial: Sequence[int], kernel_size: Any, stride: Any = None, padding: Any = 0
) -> tuple[int, ...]:
    """The spatial sizes that max_unpool gives where none are wanted."""
    rank = len(spatial)
    kernel = per_axis(kernel_size, rank)
    strides = kernel if stride is None else per_axis(stride, rank)
    if padding in SAME:
        return tuple(n * s for n, s in zip(spatial, strides, strict=True))
    pads = paddings(padding, spatial, kernel, strides)
    sizes = [
        (n - 1) * s - before - after + k
        for n, s, k, (before, after) in zip(spatial, strides, kernel, pads, strict=True)
    ]
    if min(sizes) < 1:
        raise ValueError(f"the size of the result is {sizes}")
    return tuple(sizes)


def max_unpool(
    x: Array,
    indices: Array,
    kernel_size: Any,
    *,
    rank: int,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
    layout: str = "channels_first",
) -> Array:
    """Zeros, with each element of x at its index; of several at one place the last."""
    values, places = unify(x, rank, layout), unify(indices, rank, layout)
    sizes = unpooled_size(values.shape[2:], kernel_size, stride, padding)
    if output_size is not None:
        sizes = tuple(per_axis(output_size, rank))
    y = np.zeros((*values.shape[:2], math.prod(sizes)), x.dtype.newbyteorder("="))
    for plane in np.ndindex(*values.shape[:2]):
        for place, value in zip(places[plane].ravel().tolist(), values[plane].ravel(), strict=True):
            y[plane][place] = value
    return like(y.reshape(*values.shape[:2], *sizes), x.ndim, rank, layout)


def unfold(
    x: Array,
    kernel_size: Any,
    *,
    rank: int,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    layout: str = "channels_first",
) -> Array:
    """Columns of (channels x taps, windows), or channels last rows of (windows, taps x channels)."""
    planes = unify(x, rank, layout).astype(x.dtype.newbyteorder("="))
    windows = sliding(planes.shape[2:], kernel_size, stride, padding, dilation, any_padding=True)
    columns = np.where(windows.real, windows.gather(planes), 0)  # (batch, channels, P, T)
    batch, channels, pixels, taps = columns.shape
    if layout == "channels_last":
        columns = columns.transpose(0, 2, 3, 1).reshape(batch, pixels, taps * channels)
    else:
        columns = columns.transpose(0, 1, 3, 2).reshape(batch, channels * taps, pixels)
    return columns if x.ndim == rank + 2 else columns[0]


def fold(
    cols: Array,
    output_size: Any,
    kernel_size: Any,
    *,
    rank: int,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    layout: str = "channels_first",
) -> Array:
    """The adjoint of `unfold`: every element of a column goes back to its place, by addition."""
    sizes = per_axis(output_size, rank)
    windows = sliding(sizes, kernel_size, stride, padding, dilation, any_padding=True)
    batched = cols if cols.ndim == 3 else cols[None]
    pixels, taps = windows.real.shape
    if layout == "channels_last":
        channels = batched.shape[2] // taps
        terms = batched.reshape(len(batched), pixels, taps, channels).transpose(0, 3, 1, 2)
    else:
        channels = batched.shape[1] // taps
        terms = batched.reshape(len(batched), channels, taps, pixels).transpose(0, 1, 3, 2)
    y = like(windows.spread(terms), rank + 2, rank, layout)
    return y if cols.ndim == 3 else y[0]


# ---- gradients ---------------------------------------------------------------------------------------------


def grad_max_pool(
    grad_out: Array,
    indices: Array,
    input_shape: Sequence[int],
    *,
    rank: int,
    layout: str = "channels_first",
) -> Array:
    """In the type of grad_out, added in its row-major order: each sum has one right answer, to the bit."""
    g, places = unify(grad_out, rank, layout), unify(indices, rank, layout)
    sizes = spatial_of(input_shape, rank, layout)
    dx = np.zeros((*g.shape[:2], math.prod(sizes)), grad_out.dtype.newbyteorder("="))
    for plane in np.ndindex(*g.shape[:2]):
        for place, value in zip(places[plane].ravel().tolist(), g[plane].ravel(), strict=True):
            if place != -1:
                dx[plane][place] += value
    return like(dx.reshape(*g.shape[:2], *sizes), len(input_shape), rank, layout)


def grad_avg_pool(
    grad_out: Array,
    input_shape: Sequence[int],
    kernel_size: Any,
    *,
    rank: int,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: str = "channels_first",
) -> Array:
    sizes = spatial_of(input_shape, rank, layout)
    windows = sliding(sizes, kernel_size, stride, padding, dilation, ceil_mode)
    divisor = divisors(windows, count_include_pad, divisor_override)
    dx = _grad_mean(unify(grad_out, rank, layout), windows, divisor)
    return like(dx, len(input_shape), rank, layout)


def _grad_mean(g: Array, windows: Windows, divisor: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = windows.lined(g).astype(WIDE) / divisor[:, None]
    return windows.spread(np.broadcast_to(shares, (*g.shape[:2], *windows.real.shape)))


def grad_lp_pool(
    grad_out: Array,
    x: Array,
    norm_type: float,
    kernel_size: Any,
    *,
    rank: int,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    layout: str = "channels_first",
) -> Array:
    """Each window gives its element v the share sign(v) |v|^(p-1) norm^(1-p), or 0 where v or the norm is."""
    planes = unify(x, rank, layout)
    windows = sliding(planes.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    p = WIDE(norm_type)
    values = windows.gather(planes).astype(WIDE)
    norm = _norm(values, windows, p)[..., None]
    some = (values != 0) & (norm != 0)
    safe_value, safe_norm = np.where(some, values, 1), np.where(norm != 0, norm, 1)
    share = np.where(some, np.sign(safe_value) * np.abs(safe_value) ** (p - 1) * safe_norm ** (1 - p), 0)
    dx = windows.spread(share * windows.lined(unify(grad_out, rank, layout)))
    return like(dx, x.ndim, rank, layout)


def grad_adaptive_avg_pool(
    grad_out: Array, input_shape: Sequence[int], *, rank: int, layout: str = "channels_first"
) -> Array:
    g = unify(grad_out, rank, layout)
    windows = adaptive(spatial_of(input_shape, rank, layout), g.shape[2:])
    dx = _grad_mean(g, windows, windows.real.sum(-1))
    return like(dx, len(input_shape), rank, layout)


def grad_global_avg_pool(
    grad_out: Array,
    input_shape: Sequence[int],
    *,
    rank: int,
    keepdims: bool = True,
    layout: str = "channels_first",
) -> Array:
    sizes = spatial_of(input_shape, rank, layout)
    g = unify(grad_out, rank, layout, rank if keepdims else 0)
    g = g.reshape(*g.shape[:2], *[1] * rank).astype(WIDE)
    dx = np.broadcast_to(g / math.prod(sizes), (*g.shape[:2], *sizes))
    return like(dx, len(input_shape), rank, layout)


def grad_global_max_pool(
    grad_out: Array, x: Array, *, rank: int, keepdims: bool = True, layout: str = "channels_first"
) -> Array:
    _, places = global_max_pool(x, rank=rank, layout=layout)
    return grad_max_pool(grad_out.reshape(places.shape), places, x.shape, rank=rank, layout=layout)


def grad_max_unpool(grad_out: Array, indices: Array, *, rank: int, layout: str = "channels_first") -> Array:
    g, places = unify(grad_out, rank, layout), unify(indices, rank, layout)
    flat = g.reshape(*g.shape[:2], math.prod(g.shape[2:])).astype(g.dtype.newbyteorder("="))
    dx = np.take_along_axis(flat, places.reshape(*places.shape[:2], math.prod(places.shape[2:])), -1)
    return like(dx.reshape(places.shape), indices.ndim, rank, layout)


def grad_unfold(
    grad_out: Array, input_shape: Sequence[int], kernel_size: Any, *, rank: int, **how: Any
) -> Array:
    sizes = spatial_of(input_shape, rank, how.get("layout", "channels_first"))
    return fold(grad_out, sizes, kernel_size, rank=rank, **how).reshape(tuple(input_shape))


def grad_fold(grad_out: Array, kernel_size: Any, *, rank: int, **how: Any) -> Array:
    return unfold(grad_out, kernel_size, rank=rank, **how)
