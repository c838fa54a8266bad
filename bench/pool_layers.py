# SPDX-License-Identifier: BSD-3-Clause
"""Pooling layers as a benchmark sees them, and the named sets of them that `run.py pool --only` takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

from layers import Ints, Pads, kernel_name, output_size, padding_name, shape, short, size_name

ITEM, INDEX = 4, 8  # bytes of a float32 and of an int64


@dataclass(frozen=True)
class PoolLayer:
    """Pooling of batch 1, or its gradient: windows of one size, or as many as `target` says.

    Every tuple has one entry per spatial axis. A layer with a `target` is adaptive, or, where that is 1
    everywhere, global; it has no kernel, stride and padding.
    """

    op: str  # max, min, avg
    c: int
    size: Ints  # of the input
    kernel: Ints = ()
    stride: Ints = ()
    padding: Pads = ()
    target: Ints = ()
    gradient: bool = False

    @property
    def rank(self) -> int:
        return len(self.size)

    @property
    def kind(self) -> str:
        if not self.target:
            return "windows"
        return "global" if set(self.target) == {1} else "adaptive"

    @property
    def output_size(self) -> Ints:
        ones = (1,) * self.rank
        return self.target or output_size(self.size, self.kernel, self.stride, self.padding, ones)

    @property
    def disjoint(self) -> bool:
        """Whether every element is read once: the layer can be compared with a copy."""
        return self.kind == "global" or (self.kind == "windows" and self.kernel == self.stride)

    @property
    def bytes(self) -> int:
        """Read and written: the input and the output, for gradients of max and min the indices, too."""
        y = prod(self.output_size)
        indices = INDEX * y if self.gradient and self.op != "avg" else 0
        return self.c * (ITEM * (prod(self.size) + y) + indices)

    def x_shape(self, layout: str) -> Ints:
        return shape(1, self.c, self.size, layout)

    def y_shape(self, layout: str) -> Ints:
        return shape(1, self.c, self.output_size, layout)

    @property
    def name(self) -> str:
        """`max 3x3 64 at 112 s2 p1`: the stride always, padding where there is any."""
        where = [str(self.c), "at", size_name(self.size)]
        if self.kind == "global":
            return " ".join(["global", self.op, *where])
        if self.kind == "adaptive":
            return " ".join(["adaptive", self.op, kernel_name(self.target), *where])
        pads = [padding_name(self.padding)] if any(map(any, self.padding)) else []
        return " ".join([self.op, kernel_name(self.kernel), *where, f"s{short(self.stride)}", *pads])


def pool(op: str, c: int, size: int | Ints, kernel: int, stride: int, padding: int = 0) -> PoolLayer:
    """A layer from the numbers of a paper's table; a single size is that of a square."""
    sizes = (size, size) if isinstance(size, int) else size
    n = len(sizes)
    return PoolLayer(op, c, sizes, (kernel,) * n, (stride,) * n, ((padding, padding),) * n)


def pool_to(op: str, c: int, size: int, target: int) -> PoolLayer:
    """An adaptive layer on a square, with `target` 1 a global one."""
    return PoolLayer(op, c, (size, size), target=(target, target))


@dataclass(frozen=True)
class PoolSet:
    name: str
    about: str
    make: Callable[[], tuple[PoolLayer, ...]]
    layouts: tuple[str, ...] = ("channels_first", "channels_last")


def pooling() -> tuple[PoolLayer, ...]:
    return (
        pool("max", 64, 112, 3, stride=2, padding=1),  # ResNet (He et al. 2015)
        pool("max", 64, 224, 2, stride=2),  # VGG (Simonyan and Zisserman 2014)
        pool("max", 256, 20, 5, stride=1, padding=2),  # spatial pyramid of YOLO (Redmon and Farhadi 2018)
        pool("avg", 192, 35, 3, stride=1, padding=1),  # Inception (Szegedy et al. 2015)
        pool("avg", 128, 56, 2, stride=2),  # transitions of DenseNet (Huang et al. 2016)
        pool_to("avg", 2048, 7, 1),  # the end of ResNet-50
        pool("max", 64, (16, 56, 56), 2, stride=2),  # C3D (Tran et al. 2014)
        pool("max", 128, (16000,), 4, stride=4),  # raw audio
        pool("avg", 7, (10000,), 25, stride=1, padding=12),  # moving average of a time series' variables
    )


def gradients() -> tuple[PoolLayer, ...]:
    more = (
        pool("avg", 128, 56, 3, stride=2, padding=1),
        pool("max", 192, 35, 3, stride=1, padding=1),  # Inception's pooled branch
        pool_to("avg", 256, 32, 7),
    )
    return tuple(replace(layer, gradient=True) for layer in (*pooling(), *more))


def filters() -> tuple[PoolLayer, ...]:
    """What scipy.ndimage calls maximum_filter, minimum_filter and uniform_filter, on one image."""
    return tuple(
        pool(op, 1, 2048, k, stride=1, padding=(k - 1) // 2) for op in ("max", "min", "avg") for k in (5, 31)
    )


POOL_SETS = {
    s.name: s
    for s in (
        PoolSet("pooling", "layers of common networks, 1-D to 3-D", pooling),
        PoolSet("pooling-gradients", "the gradients of these and of three more", gradients),
        # With one channel both layouts are the same bytes.
        PoolSet(
            "filters", "max, min and average 5x5 and 31x31 of one image", filters, layouts=("channels_first",)
        ),
    )
}
