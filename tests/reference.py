# SPDX-License-Identifier: BSD-3-Clause
"""The oracle: N-D convolution, its error bound and its activations in plain NumPy.

It is written from the definition (shared design page, "Public Python API" and "What it promises") and shares
nothing with npconv: neither the shape arithmetic nor the handling of borders. It has no BLAS in it either
(`np.einsum` without `optimize` is a plain loop), so that 0 * inf is a NaN wherever the definition says so.

The good place to start reading is `conv`: every output pixel gathers its column of channels x taps by index
arrays, one matrix product per group does the rest. `test_reference.py` checks it against SciPy, `np.pad`,
literal loops and hand-written examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Activation = None | str | tuple[Any, ...]


# ---- shape arithmetic --------------------------------------------------------------------------------------


def per_axis(value: Any, rank: int) -> list[int]:
    """An int, or one int per axis, as a list of ints."""
    return [int(v) for v in value] if isinstance(value, Sequence) else [int(value)] * rank


def axis_padding(padding: str, size: int, extent: int, stride: int) -> tuple[int, int]:
    """(before, after) of a named padding; `extent` is the dilated kernel, dilation*(kernel-1)+1."""
    if padding == "valid":
        return 0, 0
    if padding == "full":
        return extent - 1, extent - 1
    outputs = -(-size // stride)
    total = max(0, (outputs - 1) * stride + extent - size) if outputs else 0
    smaller, larger = total // 2, total - total // 2
    return {"same": (smaller, larger), "same_lower": (larger, smaller), "causal": (total, 0)}[padding]


def paddings(
    padding: Any, spatial: Sequence[int], kernel: Sequence[int], stride: Any = 1, dilation: Any = 1
) -> list[tuple[int, int]]:
    """(before, after) per axis for every form that the argument `padding` may have."""
    rank = len(spatial)
    strides, dilations = per_axis(stride, rank), per_axis(dilation, rank)
    if isinstance(padding, str):
        return [
            axis_padding(padding, n, d * (k - 1) + 1, s)
            for n, k, s, d in zip(spatial, kernel, strides, dilations, strict=True)
        ]
    if isinstance(padding, Sequence) and len(padding) and isinstance(padding[0], Sequence):
        return [(int(before), int(after)) for before, after in padding]
    return [(p, p) for p in per_axis(padding, rank)]


def output_size(
    spatial: Sequence[int], kernel: Sequence[int], stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> tuple[int, ...]:
    """Spatial shape of the result: the number of places where the dilated kernel fits in the padded input."""
    rank = len(spatial)
    strides, dilations = per_axis(stride, rank), per_axis(dilation, rank)
    pads = paddings(padding, spatial, kernel, stride, dilation)
    result = []
    for n, k, s, d, (before, after) in zip(spatial, kernel, strides, dilations, pads, strict=True):
        if isinstance(padding, str) and n == 0 and padding not in ("valid", "full"):
            result.append(0)  # the named paddings that promise ceil(in / stride) outputs promise none here
            continue
        free = n + before + after - d * (k - 1) - 1
        if free < 0:
            raise ValueError(
                f"kernel {k} with dilation {d} is larger than the input {n} padded by {before}+{after}"
            )
        result.append(free // s + 1)
    return tuple(result)


def border(size: int, before: int, after: int, mode: str) -> Array:
    """The input position that each position of the padded axis shows (all modes but zeros)."""
    position = np.arange(-before, size + after)
    if mode == "replicate":
        return np.clip(position, 0, size - 1)
    if mode == "circular":
        return position % size
    if mode == "reflect":
        if size == 1:
            return np.zeros_like(position)
        period = 2 * (size - 1)  # 0 1 2 3 2 1 | 0 1 2 3 2 1 | ...
        folded = position % period
        return np.minimum(folded, period - folded)
    raise ValueError(f"unknown padding_mode {mode!r}")


def pad(x: Array, pads: Sequence[tuple[int, int]], mode: str) -> Array:
    """The padded input, spatial axes last: np.pad's result, without np.pad's overhead."""
    rank = len(pads)
    lead = x.shape[: x.ndim - rank]
    if not any(before or after for before, after in pads):
        return x
    if mode == "zeros":
        sizes = [n + before + after for n, (before, after) in zip(x.shape[-rank:], pads, strict=True)]
        padded = np.zeros((*lead, *sizes), x.dtype)
        inner = [slice(before, before + n) for n, (before, _) in zip(x.shape[-rank:], pads, strict=True)]
        padded[(..., *inner)] = x
        return padded
    for axis, (before, after) in enumerate(pads, start=len(lead)):
        if before or after:
            x = x.take(border(x.shape[axis], before, after, mode), axis=axis)
    return x


# ---- the convolution ---------------------------------------------------------------------------------------


def conv(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    spatial_rank: int,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    flip: bool = False,
    layout: str = "channels_first",
    activation: Activation = None,
    residual: Array | None = None,
    accumulate: Any = np.float64,
) -> Array:
    """npconv.conv{spatial_rank}d, computed and returned in the type `accumulate` (the caller rounds).

    Its own error is that of a plain sum: `bound(..., dtype=accumulate)`. Transcendental activations come back
    as np.longdouble.
    """
    rank, last = spatial_rank, layout == "channels_last"
    single = w.ndim == rank
    batched = x.ndim == rank + 2
    # Everything below sees (batch, channels, *spatial).
    if single:
        x, w = x[None, None], w[None, None]
    else:
        if last:
            x = np.moveaxis(x, -1, -1 - rank)
        if not batched:
            x = x[None]
    if flip:
        w = w[(slice(None), slice(None), *[slice(None, None, -1)] * rank)]

    batch, channels = x.shape[:2]
    outs, group_channels, kernel = w.shape[0], w.shape[1], w.shape[2:]
    if group_channels * groups != channels or outs % groups:
        raise ValueError(f"x has {channels} channels, w is {w.shape}, groups={groups}")
    strides, dilations = per_axis(stride, rank), per_axis(dilation, rank)
    pixels = output_size(x.shape[2:], kernel, stride, padding, dilation)

    y = np.zeros((batch, outs, *pixels), accumulate)
    if y.size and channels:
        columns = pad(x, paddings(padding, x.shape[2:], kernel, stride, dilation), padding_mode)
        for axis in range(rank):  # (..., size, ...) -> (..., tap, pixel, ...)
            tap = np.arange(kernel[axis]) * dilations[axis]
            pixel = np.arange(pixels[axis]) * strides[axis]
            columns = columns.take(tap[:, None] + pixel, axis=2 + 2 * axis)
        taps_axes, pixel_axes = range(2, 2 + 2 * rank, 2), range(3, 3 + 2 * rank, 2)
        columns = columns.transpose(0, 1, *taps_axes, *pixel_axes).astype(accumulate)
        terms = group_channels * int(np.prod(kernel))
        columns = columns.reshape(batch, groups, terms, -1)
        weights = w.astype(accumulate).reshape(groups, outs // groups, terms)
        y = np.einsum("gok,bgkp->bgop", weights, columns).reshape(y.shape)

    if bias is not None:
        y += bias.astype(accumulate).reshape(-1, *[1] * rank)
    if single:
        y = y[0, 0]
    else:
        if last:
            y = np.moveaxis(y, 1, -1)
        if not batched:
            y = y[0]
    if residual is not None:
        if residual.shape != y.shape:
            raise ValueError(f"residual is {residual.shape}, the output {y.shape}")
        y = y + residual.astype(accumulate)
    return activate(y, activation)


def bound(
    x: Array, w: Array, bias: Array | None = None, *, dtype: Any, residual: Array | None = None, **how: Any
) -> Array:
    """The elementwise error that a direct algorithm in `dtype` may make before the activation.

    gamma_{n+2} (|x| * |w| + |b| + |r|) + n tiny, with gamma_m = m u / (1 - m u), u the unit roundoff, n the
    number of products in a sum and tiny the smallest normal number (a product may underflow).
    Source: N. Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1. `how`: as `conv`.
    """
    how["activation"] = None
    kernel = w.shape if w.ndim == how["spatial_rank"] else w.shape[1:]
    terms = int(np.prod(kernel))
    bias, residual = (None if a is None else abs(a) for a in (bias, residual))
    magnitude = conv(abs(x), abs(w), bias, residual=residual, **how)
    unit, tiny = (magnitude.dtype.type(v) for v in (np.finfo(dtype).eps / 2, np.finfo(dtype).tiny))
    gamma = (terms + 2) * unit / (1 - (terms + 2) * unit)
    return gamma * magnitude + terms * tiny


# ---- activations -------------------------------------------------------------------------------------------

# Those that keep a float32 integer exact (with the slopes and limits that cases.py chooses).
EXACT_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "clip")


def is_exact(activation: Activation) -> bool:
    """Whether the activation of a small integer is exact in floating point (a slope of 0.01 is not)."""
    if activation is None:
        return True
    name, *numbers = (activation,) if isinstance(activation, str) else activation
    if name == "leaky_relu":
        return bool(numbers) and abs(float(np.frexp(numbers[0])[0])) in (0.0, 0.5)
    return name in EXACT_ACTIVATIONS


def activate(y: Array, activation: Activation) -> Array:
    """The activation of the definition. Exact ones keep the type of y, the others return np.longdouble.

    With the 64 bits of x86's long double the relative error is below 2**-53 (gelu; the others 2**-54) down to
    the smallest normal float64, as measured against mpmath; where long double is float64 it is some hundred
    ULP at worst, for large negative arguments.
    """
    if activation is None:
        return y
    name, *numbers = (activation,) if isinstance(activation, str) else activation
    if name == "relu":
        return np.maximum(y, 0)
    if name == "relu6":
        return np.minimum(np.maximum(y, 0), 6)
    if name == "clip":
        low, high = numbers
        return np.minimum(np.maximum(y, low), high)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if name == "leaky_relu":
            slope = numbers[0] if numbers else 0.01
            wide = y if is_exact(activation) else y.astype(np.longdouble)
            return np.where(wide < 0, wide * slope, wide)
        v = y.astype(np.longdouble)
        if name == "sigmoid":
            return sigmoid(v)
        if name == "tanh":
            return np.tanh(v)
        if name == "hardswish":
            v = np.maximum(v, -3)
            return v * (np.minimum(v + 3, 6) / 6)
        if name == "silu":
            z = v * sigmoid(v)
        elif name == "gelu":
            z = v * (erfc(-v / np.sqrt(np.longdouble(2))) / 2)
        elif name == "gelu_tanh":
            # (1 + tanh u) / 2 = sigmoid(2 u): no cancellation
            cubic = v + np.longdouble("0.044715") * v**3
            z = v * sigmoid(np.sqrt(8 / np.longdouble(PI)) * cubic)
        else:
            raise ValueError(f"unknown activation {activation!r}")
    return np.where(np.isneginf(v), 0, z)  # the limit, where the formula says inf * 0


PI = "3.14159265358979323846264338327950288"


def sigmoid(v: Array) -> Array:
    return 1 / (1 + np.exp(-v))


def erfc(z: Array) -> Array:
    """Complementary error function in np.longdouble (NumPy has none).

    z < 1: 1 - erf(z) by the series of positive terms (Abramowitz & Stegun 7.1.6); z >= 1: the continued
    fraction 7.1.14, evaluated from its 300th term backwards.
    """
    z = np.asarray(z, np.longdouble)
    root_pi = np.sqrt(np.longdouble(PI))
    small = np.abs(np.clip(z, -7, 1))  # erf is 1 to the last bit beyond 7
    small = np.where(np.isnan(z), z, small)
    gauss = np.exp(-small * small)
    term = small.copy()
    total = small.copy()
    for k in range(1, 220):
        term = term * (2 * small * small / (2 * k + 1))
        total = total + term
    series = 1 - np.sign(z) * (2 / root_pi) * gauss * total

    large = np.where(np.isnan(z), z, np.clip(z, 1, 200))  # exp(-200**2) is 0 in any long double of 15 bits
    fraction = large.copy()
    for k in range(300, 0, -1):
        fraction = large + (np.longdouble(k) / 2) / fraction
    return np.where(z < 1, series, np.exp(-large * large) / root_pi / fraction)
