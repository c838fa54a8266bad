# SPDX-License-Identifier: BSD-3-Clause
"""One convolution layer as a benchmark sees it: its sizes, its name in tables, its operations.

The functions on sizes and names serve pooling layers (pool_layers.py), too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]


def output_size(size: Ints, kernel: Ints, stride: Ints, padding: Pads, dilation: Ints) -> Ints:
    axes = zip(size, kernel, stride, padding, dilation, strict=True)
    return tuple((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)


def shape(batch: int, channels: int, size: Ints, layout: str) -> Ints:
    return (batch, channels, *size) if layout == "channels_first" else (batch, *size, channels)


def short(values: Ints) -> str:
    """7x7 as 7: most maps are square."""
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))


def kernel_name(kernel: Ints) -> str:
    return "x".join(map(str, kernel)) if len(kernel) > 1 else f"k{kernel[0]}"


def size_name(size: Ints) -> str:
    return "x".join(map(str, size)) if len(size) == 3 else short(size)


def padding_name(padding: Pads) -> str:
    pairs = [str(a) if a == b else f"{a}+{b}" for a, b in padding]
    return "p" + (pairs[0] if len(set(pairs)) == 1 else "x".join(pairs))


@dataclass(frozen=True)
class Layer:
    """A convolution of batch 1 unless said otherwise; every tuple has one entry per spatial axis."""

    c: int  # input channels
    o: int  # output channels
    size: Ints  # of the input
    kernel: Ints
    stride: Ints
    padding: Pads  # (before, after)
    dilation: Ints
    groups: int = 1
    batch: int = 1
    count: int = 1  # how often the network has this layer

    @property
    def rank(self) -> int:
        return len(self.size)

    @property
    def output_size(self) -> Ints:
        return output_size(self.size, self.kernel, self.stride, self.padding, self.dilation)

    @property
    def weight_shape(self) -> Ints:
        return (self.o, self.c // self.groups, *self.kernel)

    @property
    def flops(self) -> int:
        """Multiplications and additions of the direct definition, those with the padding's zeros included."""
        return 2 * self.batch * prod(self.output_size) * prod(self.weight_shape)

    @property
    def depthwise(self) -> bool:
        return self.groups == self.c > 1

    def arguments(self) -> dict[str, Any]:
        """The keywords of npconv.conv{N}d and plan_conv that it settles."""
        names = ("stride", "padding", "dilation", "groups")
        return {name: getattr(self, name) for name in names}

    def x_shape(self, layout: str) -> Ints:
        return shape(self.batch, self.c, self.size, layout)

    def y_shape(self, layout: str) -> Ints:
        return shape(self.batch, self.o, self.output_size, layout)

    @property
    def name(self) -> str:
        """`3x3 128->256 at 56 s2`; stride 1, centred padding, no dilation, one group, batch 1 go unsaid."""
        channels = f"{self.c}" if self.depthwise and self.c == self.o else f"{self.c}->{self.o}"
        parts = ["dw"] if self.depthwise else []
        parts += [kernel_name(self.kernel), channels, "at", size_name(self.size)]
        parts += [f"s{short(self.stride)}"] if set(self.stride) != {1} else []
        parts += [f"d{short(self.dilation)}"] if set(self.dilation) != {1} else []
        parts += [f"g{self.groups}"] if self.groups > 1 and not self.depthwise else []
        parts += [f"n{self.batch}"] if self.batch > 1 else []
        return " ".join(parts + self._padding_name())

    def _padding_name(self) -> list[str]:
        reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel, strict=True)]
        if all(2 * before == r == 2 * after for r, (before, after) in zip(reach, self.padding, strict=True)):
            return []
        if all(pair == (0, 0) for pair in self.padding):
            return ["valid"]
        if all(pair == (r, 0) for r, pair in zip(reach, self.padding, strict=True)):
            return ["causal"]
        return [padding_name(self.padding)]


def conv(
    c: int,
    o: int,
    size: int | Ints,
    kernel: int | Ints,
    stride: int = 1,
    padding: int | Pads | None = None,
    dilation: int = 1,
    groups: int = 1,
    rank: int = 2,
    batch: int = 1,
) -> Layer:
    """A layer from the numbers of a paper's table; `padding` None: centred."""
    sizes = (size,) * rank if isinstance(size, int) else size
    n = len(sizes)
    kernels = (kernel,) * n if isinstance(kernel, int) else kernel
    if padding is None:
        padding = tuple((dilation * (k - 1) // 2,) * 2 for k in kernels)
    pads = ((padding, padding),) * n if isinstance(padding, int) else padding
    return Layer(c, o, sizes, kernels, (stride,) * n, pads, (dilation,) * n, groups, batch)


def distinct(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Each layer of a network once, with how often it occurs, in the order of the first occurrence."""
    return tuple(replace(layer, count=count) for layer, count in Counter(layers).items())
