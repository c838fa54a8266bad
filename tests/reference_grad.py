# SPDX-License-Identifier: BSD-3-Clause
"""The oracle of transposed convolution and of the gradients, in plain NumPy, from the definitions.

Convolution is linear in x and in w. `conv_input` and `conv_weight` are its adjoints, tap by tap: what of the
padded input a tap meets is a slice with steps. `conv_transpose` adds each element of x times the kernel
where it belongs; its gradients take, tap by tap, what of the result an element of x has been added to.
`test_reference_grad.py` checks all of them against SciPy, loops and the matrix of the forward operator.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import reference
from reference import Activation, Array, per_axis


class Geometry:
    """Kernel, steps and borders of a convolution of `spatial`, in lists with an element for each axis."""

    def __init__(
        self, spatial: Sequence[int], kernel: Sequence[int], stride: Any, padding: Any, dilation: Any
    ) -> None:
        self.spatial, self.kernel = list(spatial), list(kernel)
        self.stride, self.dilation = per_axis(stride, len(kernel)), per_axis(dilation, len(kernel))
        self.pads = reference.paddings(padding, spatial, kernel, stride, dilation)
        self.outputs = reference.output_size(spatial, kernel, stride, padding, dilation)

    def taps(self) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
        """Each tap, and the places of the padded input that it meets, one for each output."""
        for tap in itertools.product(*(range(k) for k in self.kernel)):
            yield (
                tap,
                tuple(
                    slice(t * d, t * d + (n - 1) * s + 1, s) if n else slice(0, 0)
                    for t, d, s, n in zip(tap, self.dilation, self.stride, self.outputs, strict=True)
                ),
            )

    def pad(self, x: Array, mode: str) -> Array:
        return reference.pad(x, self.pads, mode)

    def fold_border(self, padded: Array, mode: str) -> Array:
        """The adjoint of `pad`: each place of the border adds to the place of the input that it shows."""
        rank = len(self.kernel)
        for axis, n, (before, after) in zip(range(-rank, 0), self.spatial, self.pads, strict=True):
            moved = np.moveaxis(padded, axis, 0)
            if mode == "zeros":
                moved = moved[before : before + n]
            else:
                folded = np.zeros((n, *moved.shape[1:]), padded.dtype)
                if n:
                    np.add.at(folded, reference.border(n, before, after, mode), moved)
                moved = folded
            padded = np.moveaxis(moved, 0, axis)
        return padded


def channels_first(a: Array, rank: int, layout: str) -> tuple[Array, bool]:
    """(batch, channels, *spatial) of a batched or unbatched array, and whether it has a batch."""
    if layout == "channels_last":
        a = np.moveaxis(a, -1, -1 - rank)
    return (a, True) if a.ndim == rank + 2 else (a[None], False)


def as_layout(a: Array, batched: bool, layout: str) -> Array:
    if layout == "channels_last":
        a = np.moveaxis(a, 1, -1)
    return a if batched else a[0]


def flipped(w: Array, flip: bool, rank: int) -> Array:
    return w[(Ellipsis, *[slice(None, None, -1)] * rank)] if flip else w


def conv_input(
    input_shape: Sequence[int],
    w: Array,
    grad_out: Array,
    *,
    spatial_rank: int,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    flip: bool = False,
    layout: str = "channels_first",
    accumulate: Any = np.float64,
) -> Array:
    """The gradient in x: what x of `input_shape` gives to each output comes back from it."""
    rank = spatial_rank
    g, batched = channels_first(grad_out.astype(accumulate), rank, layout)
    spatial = list(input_shape)[-1 - rank : -1] if layout == "channels_last" else list(input_shape)[-rank:]
    weights = flipped(w.astype(accumulate), flip, rank)
    outs, of_group, kernel = weights.shape[0], weights.shape[1], weights.shape[2:]
    geometry = Geometry(spatial, kernel, stride, padding, dilation)
    assert g.shape[1] == outs, (g.shape, w.shape)
    assert tuple(g.shape[2:]) == geometry.outputs, (g.shape, geometry.outputs)
    batch = g.shape[0]
    sizes = [n + before + after for n, (before, after) in zip(spatial, geometry.pads, strict=True)]
    padded = np.zeros((batch, groups, of_group, *sizes), accumulate)
    g = g.reshape(batch, groups, outs // groups, *geometry.outputs)
    weights = weights.reshape(groups, outs // groups, of_group, *kernel)
    for tap, places in geometry.taps():
        padded[(..., *places)] += np.einsum("bgo...,goc->bgc...", g, weights[(..., *tap)])
    folded = geometry.fold_border(padded, padding_mode)
    return as_layout(folded.reshape(batch, groups * of_group, *spatial), batched, layout)


def conv_weight(
    x: Array,
    weight_shape: Sequence[int],
    grad_out: Array,
    *,
    spatial_rank: int,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    flip: bool = False,
    layout: str = "channels_first",
    accumulate: Any = np.float64,
) -> Array:
    """The gradient in w: a sum over the batch and the outputs."""
    rank = spatial_rank
    inner, _ = channels_first(x.astype(accumulate), rank, layout)
    g, _ = channels_first(grad_out.astype(accumulate), rank, layout)
    outs, of_group, *kernel = weight_shape
    geometry = Geometry(inner.shape[2:], kernel, stride, padding, dilation)
    assert tuple(g.shape[2:]) == geometry.outputs, (g.shape, geometry.outputs)
    batch = g.shape[0]
    grad = np.zeros((groups, outs // groups, of_group, *kernel), accumulate)
    if inner.size and g.size:
        padded = geometry.pad(inner, padding_mode)
        padded = padded.reshape(batch, groups, of_group, *padded.shape[2:])
        g = g.reshape(batch, groups, outs // groups, -1)
        for tap, places in geometry.taps():
            met = padded[(..., *places)].reshape(batch, groups, of_group, -1)
            grad[(..., *tap)] = np.einsum("bgop,bgcp->goc", g, met)
    return flipped(grad.reshape(outs, of_group, *kernel), flip, rank)


def conv_bias(grad_out: Array, *, spatial_rank: int, layout: str, accumulate: Any = np.float64) -> Array:
    g, _ = channels_first(grad_out.astype(accumulate), spatial_rank, layout)
    return g.sum((0, *range(2, 2 + spatial_rank)))


def transposed_size(
    spatial: Sequence[int],
    kernel: Sequence[int],
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    output_size: Sequence[int] | None = None,
) -> tuple[list[int], list[tuple[int, int]]]:
    """Spatial shape of the result of a transposed convolution, and what is cut off before and after."""
    rank = len(spatial)
    strides, dilations = per_axis(stride, rank), per_axis(dilation, rank)
    extents = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    if isinstance(padding, str) and padding != "valid":  # of the convolution whose adjoint it is
        sizes = [n * s for n, s in zip(spatial, strides, strict=True)]
        pads = [
            reference.axis_padding(padding, n, e, s) for n, e, s in zip(sizes, extents, strides, strict=True)
        ]
        return sizes, pads
    pads = reference.paddings(0 if padding == "valid" else padding, spatial, kernel)
    if output_size is not None:
        return [int(n) for n in output_size][-rank:], pads
    more = per_axis(output_padding, rank)
    sizes = [
        (n - 1) * s - before - after + e + m
        for n, s, (before, after), e, m in zip(spatial, strides, pads, extents, more, strict=True)
    ]
    return sizes, pads


def conv_transpose(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    spatial_rank: int,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    output_size: Sequence[int] | None = None,
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "channels_first",
    activation: Activation = None,
    accumulate: Any = np.float64,
) -> Array:
    """npconv.conv_transpose{spatial_rank}d, computed and returned in the type `accumulate`.

    w: (channels of x, output channels of a group, *kernel). Each element of x times a kernel is added where
    stride and dilation put it; then the padding is cut off.
    """
    rank = spatial_rank
    inner, batched = channels_first(x.astype(accumulate), rank, layout)
    channels, of_group, kernel = w.shape[0], w.shape[1], w.shape[2:]
    spatial = inner.shape[2:]
    sizes, pads = transposed_size(spatial, kernel, stride, padding, output_padding, dilation, output_size)
    strides, dilations = per_axis(stride, rank), per_axis(dilation, rank)
    batch = inner.shape[0]
    room = [
        max((n - 1) * s + d * (k - 1) + 1, before + size)
        for n, s, d, k, (before, _), size in zip(
            spatial, strides, dilations, kernel, pads, sizes, strict=True
        )
    ]
    whole = np.zeros((batch, groups, of_group, *room), accumulate)
    grouped = inner.reshape(batch, groups, channels // groups, *spatial)
    weights = w.astype(accumulate).reshape(groups, channels // groups, of_group, *kernel)
    for tap in itertools.product(*(range(k) for k in kernel)):
        places = tuple(
            slice(t * d, t * d + (n - 1) * s + 1, s) if n else slice(0, 0)
            for t, d, s, n in zip(tap, dilations, strides, spatial, strict=True)
        )
        whole[(..., *places)] += np.einsum("bgc...,gco->bgo...", grouped, weights[(..., *tap)])
    kept = tuple(slice(before, before + size) for (before, _), size in zip(pads, sizes, strict=True))
    y = whole[(..., *kept)].reshape(batch, groups * of_group, *sizes)
    if bias is not None:
        y = y + bias.astype(accumulate).reshape(-1, *[1] * rank)
    return reference.activate(as_layout(y, batched, layout), activation)


class Spread:
    """Where each tap of a transposed convolution has added the elements of x, and the gradient there."""

    def __init__(
        self,
        grad_out: Array,
        spatial: Sequence[int],
        kernel: Sequence[int],
        groups: int,
        accumulate: Any,
        stride: Any,
        padding: Any,
        output_padding: Any,
        dilation: Any,
    ) -> None:
        rank = len(kernel)
        sizes, pads = transposed_size(spatial, kernel, stride, padding, output_padding, dilation)
        strides, dilations = per_axis(stride, rank), per_axis(dilation, rank)
        reach = [
            max((n - 1) * s + d * (k - 1) + 1, before + size)
            for n, s, d, k, (before, _), size in zip(
                spatial, strides, dilations, kernel, pads, sizes, strict=True
            )
        ]
        self.taps = [
            (
                tap,
                tuple(
                    slice(t * d, t * d + (n - 1) * s + 1, s) if n else slice(0, 0)
                    for t, d, s, n in zip(tap, dilations, strides, spatial, strict=True)
                ),
            )
            for tap in itertools.product(*(range(k) for k in kernel))
        ]
        batch, channels = grad_out.shape[:2]
        assert list(grad_out.shape[2:]) == sizes, (grad_out.shape, sizes)
        self.grad = np.zeros(
            (batch, groups, channels // groups, *reach), accumulate
        )  # zeros: what was cut off
        kept = tuple(slice(before, before + size) for (before, _), size in zip(pads, sizes, strict=True))
        self.grad[(..., *kept)] = grad_out.reshape(batch, groups, channels // groups, *sizes)


def conv_transpose_input(
    input_shape: Sequence[int],
    w: Array,
    grad_out: Array,
    *,
    spatial_rank: int,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    accumulate: Any = np.float64,
) -> Array:
    """The gradient in x of a transposed convolution. Arrays are batched, channels first."""
    batch, channels, *spatial = input_shape
    kernel = w.shape[2:]
    assert len(kernel) == spatial_rank
    g = Spread(grad_out, spatial, kernel, groups, accumulate, stride, padding, output_padding, dilation)
    weights = w.astype(accumulate).reshape(groups, channels // groups, w.shape[1], *kernel)
    x = np.zeros((batch, groups, channels // groups, *spatial), accumulate)
    for tap, places in g.taps:
        x += np.einsum("bgo...,gco->bgc...", g.grad[(..., *places)], weights[(..., *tap)])
    return x.reshape(tuple(input_shape))


def conv_transpose_weight(
    x: Array,
    weight_shape: Sequence[int],
    grad_out: Array,
    *,
    spatial_rank: int,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    accumulate: Any = np.float64,
) -> Array:
    """The gradient in w of a transposed convolution. Arrays are batched, channels first."""
    batch, channels, *spatial = x.shape
    _, of_group, *kernel = weight_shape
    assert len(kernel) == spatial_rank
    g = Spread(grad_out, spatial, kernel, groups, accumulate, stride, padding, output_padding, dilation)
    pixels = int(np.prod(spatial))
    inner = x.astype(accumulate).reshape(batch, groups, channels // groups, pixels)
    grad = np.zeros((groups, channels // groups, of_group, *kernel), accumulate)
    for tap, places in g.taps:
        met = g.grad[(..., *places)].reshape(batch, groups, of_group, pixels)
        grad[(..., *tap)] = np.einsum("bgcp,bgop->gco", inner, met)
    return grad.reshape(tuple(weight_shape))
