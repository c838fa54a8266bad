# SPDX-License-Identifier: BSD-3-Clause
"""One convolution layer as a benchmark sees it: its sizes, its name in tables, its operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]


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
        axes = zip(self.size, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        return tuple((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)

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

    def x_shape(self, layout: str) -> Ints:
        return self._shape(self.c, self.size, layout)

    def y_shape(self, layout: str) -> Ints:
        return self._shape(self.o, self.output_size, layout)

    def _shape(self, channels: int, size: Ints, layout: str) -> Ints:
        parts = (channels, *size) if layout == "channels_first" else (*size, channels)
        return (self.batch, *parts)

    @property
    def name(self) -> str:
        """`3x3 128->256 at 56 s2`; stride 1, centred padding, no dilation, one group, batch 1 go unsaid."""
        channels = f"{self.c}" if self.depthwise and self.c == self.o else f"{self.c}->{self.o}"
        parts = ["dw"] if self.depthwise else []
        kernel = "x".join(map(str, self.kernel)) if self.rank > 1 else f"k{self.kernel[0]}"
        size = "x".join(map(str, self.size)) if self.rank == 3 else _short(self.size)
        parts += [kernel, channels, "at", size]
        parts += [f"s{_short(self.stride)}"] if set(self.stride) != {1} else []
        parts += [f"d{_short(self.dilation)}"] if set(self.dilation) != {1} else []
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
        pairs = [str(a) if a == b else f"{a}+{b}" for a, b in self.padding]
        return ["p" + (pairs[0] if len(set(pairs)) == 1 else "x".join(pairs))]


def _short(values: Ints) -> str:
    """7x7 as 7: most maps are square."""
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))


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
) -> Layer:
    """A layer from the numbers of a paper's table; `padding` None: centred."""
    sizes = (size,) * rank if isinstance(size, int) else size
    n = len(sizes)
    kernels = (kernel,) * n if isinstance(kernel, int) else kernel
    if padding is None:
        padding = tuple((dilation * (k - 1) // 2,) * 2 for k in kernels)
    pads = ((padding, padding),) * n if isinstance(padding, int) else padding
    return Layer(c, o, sizes, kernels, (stride,) * n, pads, (dilation,) * n, groups)


def distinct(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Each layer of a network once, with how often it occurs, in the order of the first occurrence."""
    return tuple(replace(layer, count=count) for layer, count in Counter(layers).items())
