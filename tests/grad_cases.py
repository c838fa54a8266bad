# SPDX-License-Identifier: BSD-3-Clause
"""Random transposed convolutions and gradients: shapes, keywords, data, and what the oracle says of them.

A `Layer` is a convolution with an input that its kernel fits; `Transposed` is a transposed one. Both print as
what makes them again. Integers make every sum exact, in any order; normal numbers are for the bound.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

import npconv
import numpy as np
import reference_grad
from cases import MODES
from reference import Array

HIGHEST = {1: 25, 2: 11, 3: 5}  # sizes of the input, by rank
KERNELS = {1: 9, 2: 6, 3: 4}


@dataclass(frozen=True)
class Sizes:
    """What both have: channels are those of a group on the side of w's axes 1 and 0."""

    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: Any
    groups: int
    inner: int  # channels of a group: of the convolution's input
    outer: int  # and of its output
    batch: int
    seed: int

    @property
    def rank(self) -> int:
        return len(self.spatial)

    def draw(self, shape: tuple[int, ...], dtype: str, data: str, salt: int) -> Array:
        rng = np.random.default_rng([self.seed, salt])
        a = rng.integers(-3, 4, shape) if data == "integers" else rng.standard_normal(shape)
        if data in ("wide", "sparse"):  # exponents far apart; and most of them zero
            a = a * 10.0 ** rng.choice([-20, -8, -1, 0, 4, 15], shape)
        if data == "sparse":
            a = a * (rng.random(shape) < 0.1)
        return a.astype(dtype)

    @property
    def w_shape(self) -> tuple[int, ...]:
        return (self.groups * self.outer, self.inner, *self.kernel)


@dataclass(frozen=True)
class Layer(Sizes):
    """A convolution: `spatial` is its input's."""

    mode: str = "zeros"
    flip: bool = False

    @property
    def keywords(self) -> dict[str, Any]:
        return {
            "stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups,
            "padding_mode": self.mode, "flip": self.flip,
        }  # fmt: skip

    @property
    def x_shape(self) -> tuple[int, ...]:
        return (self.batch, self.groups * self.inner, *self.spatial)

    @property
    def grad_shape(self) -> tuple[int, ...]:
        geometry = reference_grad.Geometry(
            self.spatial, self.kernel, self.stride, self.padding, self.dilation
        )
        return (self.batch, self.groups * self.outer, *geometry.outputs)


@dataclass(frozen=True)
class Transposed(Sizes):
    """A transposed convolution: `spatial` is its input's, whose channels are w's axis 0."""

    output_padding: tuple[int, ...] = ()
    bias: bool = False

    @property
    def keywords(self) -> dict[str, Any]:
        return {
            "stride": self.stride, "padding": self.padding, "output_padding": self.output_padding,
            "dilation": self.dilation, "groups": self.groups,
        }  # fmt: skip

    @property
    def x_shape(self) -> tuple[int, ...]:
        return (self.batch, self.groups * self.outer, *self.spatial)

    @property
    def y_shape(self) -> tuple[int, ...]:
        how = (self.stride, self.padding, self.output_padding, self.dilation)
        sizes, _ = reference_grad.transposed_size(self.spatial, self.kernel, *how)
        return (self.batch, self.groups * self.inner, *sizes)

    @property
    def terms(self) -> int:
        """Products of an output, at most."""
        steps = (s // math.gcd(s, d) for s, d in zip(self.stride, self.dilation, strict=True))
        return self.outer * math.prod(-(-k // step) for k, step in zip(self.kernel, steps, strict=True))


def _sizes(r: random.Random, rank: int) -> dict[str, Any]:
    stride = tuple(r.choice((1, 1, 2, 2, 3, 4)) for _ in range(rank))
    if r.random() < 0.25:
        stride = (1,) * rank
    kernel = tuple(r.randrange(1, KERNELS[rank]) for _ in range(rank))
    dilation = tuple(r.choice((1, 1, 1, 2, 3)) for _ in range(rank))
    if r.random() < 0.3:  # all phases meet the same inputs
        kernel, dilation = tuple(s * r.randrange(1, 3) for s in stride), (1,) * rank
    groups, inner, outer = r.choice((1, 1, 2, 3, 5)), r.choice((1, 1, 2, 3, 7, 20)), r.choice((1, 2, 3, 17))
    if r.random() < 0.2:
        groups, inner, outer = r.choice((4, 8, 16, 19, 33)), 1, r.choice((1, 1, 1, 2))
    return {
        "kernel": kernel, "stride": stride, "dilation": dilation, "groups": groups, "inner": inner,
        "outer": outer, "batch": r.choice((1, 1, 2, 3)), "seed": r.randrange(2**31),
    }  # fmt: skip


def _pads(r: random.Random, room: list[int]) -> tuple[tuple[int, int], ...]:
    """What may be cut off, or put around, an axis with so much room."""
    pads = []
    for n in room:
        before = r.randrange(0, min(4, n + 1))
        pads.append((before, r.randrange(0, min(4, n - before + 1))))
    return tuple(pads)


def random_layer(r: random.Random, rank: int | None = None, narrow: float = 0) -> Layer:
    """`narrow`: how probable the least size is for each axis, beyond what is drawn anyway."""
    rank = rank or r.choice((1, 2, 2, 3))
    sizes = _sizes(r, rank)
    extents = [d * (k - 1) + 1 for d, k in zip(sizes["dilation"], sizes["kernel"], strict=True)]
    pads = _pads(r, extents)
    spatial = tuple(
        r.randrange(max(1, e - sum(p)), e + HIGHEST[rank]) for e, p in zip(extents, pads, strict=True)
    )
    if narrow:
        least = [max(1, e - sum(p)) for e, p in zip(extents, pads, strict=True)]
        spatial = tuple(low if r.random() < narrow else n for low, n in zip(least, spatial, strict=True))
    padding = r.choice((pads, pads, pads, "same", "causal", "valid" if min(spatial) > max(extents) else pads))
    mode = r.choice(("zeros", *MODES))
    return Layer(spatial=spatial, padding=padding, mode=mode, flip=r.random() < 0.3, **sizes)


def random_transposed(r: random.Random, rank: int | None = None, narrow: float = 0) -> Transposed:
    """`narrow`: how probable a size of one is for each axis, beyond what is drawn anyway."""
    rank = rank or r.choice((1, 2, 2, 3))
    sizes = _sizes(r, rank)
    spatial = tuple(r.randrange(1, HIGHEST[rank]) for _ in range(rank))
    if narrow:
        spatial = tuple(1 if r.random() < narrow else n for n in spatial)
    whole = [
        (n - 1) * s + d * (k - 1)
        for n, s, d, k in zip(spatial, sizes["stride"], sizes["dilation"], sizes["kernel"], strict=True)
    ]
    padding = r.choice((_pads(r, whole), _pads(r, whole), "same", "same_lower", "valid"))
    more = tuple(
        0 if padding in ("same", "same_lower") else r.randrange(0, max(s, d))
        for s, d in zip(sizes["stride"], sizes["dilation"], strict=True)
    )
    return Transposed(spatial=spatial, padding=padding, output_padding=more, bias=r.random() < 0.5, **sizes)


def exact_input_gradient(
    x_shape: tuple[int, ...], w: Array, g: Array, *, out: Array | None = None, **how: Any
) -> Array:
    """The gradient in the input; without a stride not by Winograd, whose sums of integers are not exact."""
    rank = len(x_shape) - 2
    algorithm = "auto" if np.max(how.get("stride", 1)) > 1 else "gemm"
    result: Array = getattr(npconv.grad, f"conv{rank}d_input")(
        x_shape, w, g, algorithm=algorithm, out=out, **how
    )
    return result


def to_layout(a: Array, layout: str) -> Array:
    return np.ascontiguousarray(np.moveaxis(a, 1, -1)) if layout == "channels_last" else a


def gamma(n: int, dtype: str) -> float:
    mu = n * np.finfo(dtype).eps / 2
    return float(mu / (1 - mu))
