# SPDX-License-Identifier: BSD-3-Clause
"""Random layers of a fixed distribution, in which the planner has something to choose.

`random_layers(n, seed)` gives the same layers on every machine: nothing is timed. They depend on the build in
one thing: of the layers drawn those are kept that two or more algorithms of "auto" can serve, so that a build
with more algorithms keeps other ones. Each seed is a stream of its own, but small layers come up in many:
what a planner is fitted to leaves out what it is judged by (`but`), and `assert_disjoint` makes sure of it.

Shares are those of the layers drawn. Sizes and channels of a layer are drawn anew until it has an output, its
multiplications are within `MACS` and its arrays within `ELEMENTS`, so that no kernel is rarer for that.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, islice, takewhile
from math import ceil, prod
from typing import Any, TypeVar

import npconv
import numpy as np
from layers import Ints, Layer, Pads

T = TypeVar("T")
Estimates = dict[str, float | None]  # by algorithm

KINDS = {  # of channels
    "dense": 0.6,
    "depthwise": 0.15,
    "groups of few": 0.05,
    "few in": 0.08,
    "few out": 0.07,
    "single": 0.05,  # a filter of an image or a signal
}
RANKS = {1: 0.2, 2: 0.6, 3: 0.2}
FLAT = ((5, 5), (7, 7), (1, 7), (7, 1), (1, 3), (3, 1), (2, 2), (4, 4))
KERNELS: dict[int, dict[Ints, float]] = {
    1: {(k,): 1.0 for k in (2, 3, 4, 5, 6, 7, 8, 9, 11)},
    2: {(3, 3): 0.5, **{kernel: 0.5 / len(FLAT) for kernel in FLAT}},
    3: {kernel: 1.0 for kernel in [(3, 3, 3), (1, 3, 3), (3, 1, 1), (2, 2, 2)]},
}
STRIDES = {1: 0.7, 2: 0.25, 3: 0.05}
DILATIONS = {1: 0.85, 2: 0.06, 3: 0.03, 4: 0.03, 12: 0.03}  # where the stride is 1
GROUPS = {1: 0.9, 2: 0.05, 4: 0.05}  # of dense layers
MULTIPLIERS = {1: 0.85, 2: 0.1, 3: 0.05}  # output channels for each of the input: depthwise
BATCHES = {1: 0.8, 2: 0.08, 4: 0.06, 8: 0.06}
PADDINGS = {"same": 0.75, "valid": 0.15, "full": 0.1}
BORDERS = {"zeros": 0.9, "reflect": 0.1}
LAYOUTS = {"channels_first": 0.5, "channels_last": 0.5}
CHANNELS = 1, 512  # of a group, or depthwise of all
FEW = 1, 4
GROUPS_OF_FEW, CHANNELS_OF_FEW = (4, 64), (2, 16)
FILTERS = {1: (9, 1024), 2: (3, 31), 3: (3, 7)}  # kernels of single channels, by rank
MULTIPLES = {1: 0.5, 8: 0.25, 16: 0.25}  # what channels are rounded to
SIZES = {1: (16, 32768), 2: (4, 512), 3: (4, 64)}  # by rank
SIZES_OF_SINGLE = {1: (1024, 524288), 2: (32, 2048), 3: (8, 128)}
CUBES = 0.5  # share of layers with one size on all axes
MACS = 100_000, 300_000_000
ELEMENTS = 1 << 24  # of the input, and of the output


@dataclass(frozen=True)
class RandomLayer:
    layer: Layer
    layout: str
    border: str  # padding_mode

    @property
    def name(self) -> str:
        parts = [self.layer.name, "channels last" if self.layout == "channels_last" else ""]
        parts += [self.border if self.border != "zeros" else ""]
        return ", ".join(part for part in parts if part)

    @property
    def macs(self) -> int:
        return self.layer.flops // 2

    def arguments(self) -> dict[str, Any]:
        """The keywords of npconv.conv{N}d and plan_conv."""
        return self.layer.arguments() | {"padding_mode": self.border, "layout": self.layout}


def random_layers(
    n: int, seed: int, dtype: str = "float32", least: int = 2, but: Iterable[RandomLayer] = ()
) -> list[RandomLayer]:
    """The first n layers of a seed that at least `least` algorithms of "auto" can serve.

    Each once, and none of those in `but`, also not in the other layout or with another border.
    """
    drawn = _stream(seed, {y.layer for y in but})
    return list(islice((y for y in drawn if least == 0 or len(choices(y, dtype)) >= least), n))


def choices(one: RandomLayer, dtype: str) -> Estimates:
    """The algorithms that "auto" chooses from."""
    w = np.zeros(one.layer.weight_shape, dtype)
    return automatic(npconv.plan_conv(one.layer.x_shape(one.layout), w, **one.arguments()).explain())


def automatic(explanation: str) -> Estimates:
    """Of a plan's explain(): the algorithms that "auto" chooses from, with their estimates.

    They stand below the line "algorithm", one a line: the name, then why it cannot serve or the estimate.
    """
    _, _, behind = explanation.partition("\nalgorithm ")
    found: Estimates = {}
    for line in takewhile(lambda line: line.startswith(" "), behind.split("\n")[1:]):
        name, _, said = line.strip().partition(" ")
        if "cannot serve" not in said and "only by name" not in said:
            number = re.search(r"about ([\d.]+)", said)
            found[name] = float(number[1]) if number else None
    return found


def assert_disjoint(*lists: Iterable[RandomLayer]) -> None:
    """That no layer is in two lists; another layout or border makes no other layer."""
    seen: set[Layer] = set()
    for one in lists:
        layers = {y.layer for y in one}
        common = sorted(y.name for y in layers & seen)
        if common:
            raise AssertionError(f"in more than one list of layers: {', '.join(common)}")
        seen |= layers


def _stream(seed: int, seen: set[Layer]) -> Iterator[RandomLayer]:
    rng = np.random.default_rng(seed)
    while True:
        one = _draw(rng)
        if one.layer not in seen:
            seen.add(one.layer)
            yield one


def _draw(rng: np.random.Generator) -> RandomLayer:
    kind, rank = _pick(rng, KINDS), _pick(rng, RANKS)
    kernel = _pick(rng, KERNELS[rank])
    if kind == "single":
        kernel = (_log_uniform(rng, *FILTERS[rank]),) * rank
    stride = _pick(rng, STRIDES)
    dilation = _pick(rng, DILATIONS) if stride == 1 else 1
    dilations = tuple(dilation if k > 1 else 1 for k in kernel)
    groups, batch = _pick(rng, GROUPS), _pick(rng, BATCHES)
    multiplier = _pick(rng, MULTIPLIERS)
    padding, border, layout = _pick(rng, PADDINGS), _pick(rng, BORDERS), _pick(rng, LAYOUTS)
    while True:
        c, o, groups = _channels_of(kind, rng, groups, multiplier)
        size = _size(rng, rank, SIZES_OF_SINGLE if kind == "single" else SIZES)
        pads = _pads(padding, size, kernel, stride, dilations)
        layer = Layer(c, o, size, kernel, (stride,) * rank, pads, dilations, groups, batch)
        if _fits(layer, border):
            return RandomLayer(layer, layout, border)


def _pick(rng: np.random.Generator, shares: Mapping[T, float]) -> T:
    """By `random` alone: NumPy may change how its other methods use the stream."""
    ends = list(accumulate(shares.values()))
    return list(shares)[bisect_right(ends[:-1], rng.random() * ends[-1])]


def _log_uniform(rng: np.random.Generator, low: int, high: int) -> int:
    return min(high, int(low * ((high + 1) / low) ** rng.random()))


def _channels_of(kind: str, rng: np.random.Generator, groups: int, multiplier: int) -> tuple[int, int, int]:
    """Channels in and out, and groups."""
    c, o, few = _channels(rng), _channels(rng), _log_uniform(rng, *FEW)
    if kind == "depthwise":
        return c, c * multiplier, c
    if kind == "groups of few":
        groups = _log_uniform(rng, *GROUPS_OF_FEW)
        return (
            groups * _log_uniform(rng, *CHANNELS_OF_FEW),
            groups * _log_uniform(rng, *CHANNELS_OF_FEW),
            groups,
        )
    return {
        "dense": (groups * c, groups * o, groups),
        "few in": (few, o, 1),
        "few out": (c, few, 1),
        "single": (1, 1, 1),
    }[kind]


def _channels(rng: np.random.Generator) -> int:
    n, multiple = _log_uniform(rng, *CHANNELS), _pick(rng, MULTIPLES)
    return max(1, round(n / multiple)) * multiple


def _size(rng: np.random.Generator, rank: int, sizes: Mapping[int, tuple[int, int]]) -> Ints:
    if rng.random() < CUBES:
        return (_log_uniform(rng, *sizes[rank]),) * rank
    return tuple(_log_uniform(rng, *sizes[rank]) for _ in range(rank))


def _pads(padding: str, size: Ints, kernel: Ints, stride: int, dilation: Ints) -> Pads:
    pads = []
    for n, k, d in zip(size, kernel, dilation, strict=True):
        reach = d * (k - 1)
        total = max(0, (ceil(n / stride) - 1) * stride + reach + 1 - n)  # "same"
        pads.append(
            {"same": (total // 2, total - total // 2), "valid": (0, 0), "full": (reach, reach)}[padding]
        )
    return tuple(pads)


def _fits(layer: Layer, border: str) -> bool:
    if min(layer.output_size) < 1 or not MACS[0] <= layer.flops // 2 <= MACS[1]:
        return False
    # What is reflected more than once is nobody's layer.
    if border == "reflect" and any(max(pad) >= n for pad, n in zip(layer.padding, layer.size, strict=True)):
        return False
    return all(prod(shape("channels_first")) <= ELEMENTS for shape in (layer.x_shape, layer.y_shape))
