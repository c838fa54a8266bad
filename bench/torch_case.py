# SPDX-License-Identifier: BSD-3-Clause
"""One random case of equal_torch.py: its data in the ways of both libraries, its windows, the comparison.

"Planes" are arrays of (batch, channels, *spatial), whatever form and layout npconv is called with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod, sqrt
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]
Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]
T = TypeVar("T")

LARGEST = {1: 40, 2: 14, 3: 7}  # of a spatial axis, by rank
SAME = ("same", "same_lower", "causal")
SHOWN = 3  # elements of a difference


@dataclass(frozen=True)
class Windows:
    """Windows that both libraries can express."""

    spatial: Ints
    kernel: Ints
    stride: Ints
    dilation: Ints
    pads: Pairs
    ceil_mode: bool
    explicit: bool  # torch gets a padded input, because its own padding is less than this one
    arguments: dict[str, Any]  # npconv's keywords
    kernel_argument: Any

    @property
    def around(self) -> list[int]:
        """The padding as torch.nn.functional.pad wants it: the last axis first."""
        return [n for pair in reversed(self.pads) for n in pair]

    @property
    def taps(self) -> int:
        return prod(self.kernel)

    @property
    def padded_alike(self) -> bool:
        """Whether a padded input has as many windows: none that begins in padding is dropped."""
        axes = zip(self.spatial, self.kernel, self.stride, self.dilation, self.pads, strict=True)
        none = (0, 0)
        return self.outputs == tuple(
            outputs_of(n + sum(p), k, s, d, none, self.ceil_mode) for n, k, s, d, p in axes
        )

    @property
    def never_empty(self) -> bool:
        """Whether every window has an element: to one without torch gives an index outside the plane."""
        axes = zip(self.spatial, self.kernel, self.stride, self.dilation, self.pads, strict=True)
        return all(
            any(0 <= start + tap * d < n for tap in range(k))
            for n, k, s, d, (before, _) in axes
            for start in range(-before, n, s)
        )

    @property
    def overhangs(self) -> bool:
        """Whether ceil_mode makes a window reach beyond the padding."""
        return any(
            (o - 1) * s + d * (k - 1) + 1 > n + sum(p)
            for o, s, d, k, n, p in zip(
                self.outputs, self.stride, self.dilation, self.kernel, self.spatial, self.pads, strict=True
            )
        )

    @property
    def outputs(self) -> Ints:
        axes = zip(self.spatial, self.kernel, self.stride, self.dilation, self.pads, strict=True)
        return tuple(outputs_of(n, k, s, d, p, self.ceil_mode) for n, k, s, d, p in axes)


def outputs_of(n: int, k: int, s: int, d: int, pads: tuple[int, int], ceil_mode: bool) -> int:
    """How many windows an axis has: a last one that begins beyond the input is dropped."""
    room = n + sum(pads) - d * (k - 1) - 1 + (s - 1 if ceil_mode else 0)
    outputs = room // s + 1
    return outputs - 1 if ceil_mode and (outputs - 1) * s >= n + pads[0] else outputs


def pads_of(kind: str, n: int, k: int, s: int, d: int) -> tuple[int, int]:
    """What npconv's names for paddings mean on an axis."""
    if kind == "valid":
        return 0, 0
    if kind == "full":
        return d * (k - 1), d * (k - 1)
    total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
    before = {"same": total // 2, "same_lower": total - total // 2, "causal": total}[kind]
    return before, total - before


@dataclass
class Case:
    """Random choices that all functions share, and what came of the comparisons."""

    rng: np.random.Generator
    rank: int = 0
    layout: str = ""
    dtype: str = ""
    form: str = ""  # batched, unbatched (no batch axis), single (spatial axes alone)
    batch: int = 1
    channels: int = 1
    compared: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)  # what was compared, what was wrong

    def __post_init__(self) -> None:
        self.rank = self.integer(1, 3)
        self.layout = self.pick("channels_first", "channels_last")
        self.dtype = self.pick("float32", "float64")
        self.form = self.pick("batched", "batched", "batched", "unbatched", "single")
        self.batch = self.integer(1, 3) if self.form == "batched" else 1
        self.channels = 1 if self.form == "single" else self.pick(1, 2, 3, 5, 8, 16, 17, 33)

    def __str__(self) -> str:
        shape = {"batched": f"{self.batch} x {self.channels}", "unbatched": f"{self.channels}"}
        return f"{self.rank}-D, {self.layout}, {self.dtype}, {shape.get(self.form, 'one')} plane(s)"

    # ---- random choices

    def integer(self, low: int, high: int) -> int:
        """Both ends included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, *options: T) -> T:
        return options[self.integer(0, len(options) - 1)]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def spatial(self) -> Ints:
        return tuple(self.integer(1, LARGEST[self.rank]) for _ in range(self.rank))

    def either(self, values: Ints) -> int | Ints:
        """Equal numbers also as one of them."""
        return values[0] if len(set(values)) == 1 and self.chance(0.5) else values

    def values(self, spatial: Sequence[int], kinds: Sequence[str] = ("normal", "ties", "special")) -> Array:
        """Planes: normal numbers, few different ones with both zeros, or NaN and infinities among them."""
        shape = (self.batch, self.channels, *spatial)
        kind = self.pick(*kinds)
        x = self.rng.standard_normal(shape)
        if kind == "ties":
            x = np.round(x) * self.rng.choice([1.0, -1.0], shape)  # -0.0, too
        elif kind == "special":
            at = self.rng.random(shape) < self.pick(0.02, 0.2, 0.8)
            x = np.where(at, self.rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], shape), x)
        return x.astype(self.dtype)

    def windows(
        self,
        fits: Callable[[Windows], bool],
        dilated: bool = True,
        any_padding: bool = False,
        ceil: bool = True,
    ) -> Windows:
        """Drawn until they fit. `any_padding`: beyond the kernel, and torch does not limit it either."""
        while True:
            drawn = self._draw_windows(dilated, any_padding, ceil)
            if min(drawn.outputs) > 0 and fits(drawn):
                return drawn

    def _draw_windows(self, dilated: bool, any_padding: bool, ceil: bool) -> Windows:
        spatial = self.spatial()
        long = self.chance(0.2)
        kernel = tuple(self.integer(1, min(n, 13) if long else 5 - (self.rank == 3)) for n in spatial)
        stride = tuple(self.integer(1, 4) for _ in spatial)
        dilation = tuple(self.integer(1, 3) if dilated and self.chance(0.4) else 1 for _ in spatial)
        default = self.chance(0.3) and not any_padding
        stride = kernel if default else stride
        kind = self.pick("even", "even", "even", "pairs", "valid", "full", *SAME)
        reach = [d * (k - 1) + (3 if any_padding else 0) for k, d in zip(kernel, dilation, strict=True)]
        padding: Any = kind
        if kind == "even":
            most = reach if any_padding else [k // 2 for k in kernel]
            even = tuple(self.integer(0, n) for n in most)
            pads, padding = tuple((n, n) for n in even), self.either(even)
        elif kind == "pairs":
            padding = pads = tuple((self.integer(0, n), self.integer(0, n)) for n in reach)
        else:
            axes = zip(spatial, kernel, stride, dilation, strict=True)
            pads = tuple(pads_of(kind, *axis) for axis in axes)
        ceil_mode = ceil and kind not in SAME and self.chance(0.4)
        keywords = {"padding": padding, "dilation": self.either(dilation), "ceil_mode": ceil_mode}
        keywords |= {} if default else {"stride": self.either(stride)}
        explicit = kind not in ("even", "valid")
        return Windows(
            spatial, kernel, stride, dilation, pads, ceil_mode, explicit, keywords, self.either(kernel)
        )

    # ---- the ways of both libraries

    def ours(self, planes: Array) -> Array:
        """For npconv: in the case's form and layout, sometimes with odd strides."""
        x = planes if self.form == "batched" else planes[0] if self.form == "unbatched" else planes[0, 0]
        if self.layout == "channels_last" and self.form != "single":
            x = np.moveaxis(x, 1 if self.form == "batched" else 0, -1)
        x = np.ascontiguousarray(x)
        how = self.pick("", "", "", "steps", "reversed") if x.ndim else ""
        if how == "steps":
            wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), 77, x.dtype)
            wide[..., ::2] = x
            return wide[..., ::2]
        return np.flip(np.ascontiguousarray(np.flip(x))) if how == "reversed" else x

    def planes(self, y: Array) -> Array:
        """What npconv gave, as planes."""
        if self.layout == "channels_last" and self.form != "single":
            y = np.moveaxis(y, -1, 1 if self.form == "batched" else 0)
        return y if self.form == "batched" else y[None] if self.form == "unbatched" else y[None, None]

    def tensor(self, planes: Array, gradient: bool = False) -> Tensor:
        """For torch: in the memory format of the layout."""
        if self.layout == "channels_last":
            x = torch.from_numpy(np.array(np.moveaxis(planes, 1, -1), order="C")).movedim(-1, 1)
        else:
            x = torch.from_numpy(np.array(planes, order="C"))
        return x.requires_grad_(gradient)

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        out: Array | None = None,
        threads: bool = True,
        **how: Any,
    ) -> Any:
        """npconv's function; `out`: planes like the result, where it takes `out` (and `num_threads`)."""
        how["layout"] = self.layout
        if out is None or self.chance(0.5):
            return function(*arguments, **how)
        if threads:
            how["num_threads"] = self.integer(1, 3)
        given = np.array(self.ours(np.full_like(out, 55)), order="C")
        result = function(*arguments, out=given, **how)
        if (result[0] if isinstance(result, tuple) else result) is not given:
            raise AssertionError("the result is not `out`")
        return result

    # ---- comparison

    def close(self, what: str, ours: Array, theirs: Array, magnitude: Array, terms: float) -> None:
        """Within a few ulp of the sum of the magnitudes of `terms` terms, NaN and infinities in one place."""
        ulps = 4 + 2 * sqrt(terms)
        self.within(what, ours, theirs, ulps * np.finfo(self.dtype).eps * magnitude.astype(np.float64))

    def within(self, what: str, ours: Array, theirs: Array, bound: Array) -> None:
        near = None
        if ours.shape == theirs.shape:
            with np.errstate(invalid="ignore"):
                near = (np.abs(ours.astype(np.float64) - theirs) <= bound) & np.isfinite(theirs)
        self._note(what, ours, theirs, near, self.dtype)

    def equal(self, what: str, ours: Array, theirs: Array) -> None:
        """Bit by bit, but that a NaN is a NaN."""
        self._note(what, ours, theirs, None, str(theirs.dtype))

    def _note(self, what: str, ours: Array, theirs: Array, near: Array | None, dtype: str) -> None:
        self.compared[what] += 1
        if ours.shape != theirs.shape:
            self.failures.append((what, f"shape {ours.shape}, torch has {theirs.shape}"))
            return
        if str(ours.dtype) != dtype:
            self.failures.append((what, f"dtype {ours.dtype}, expected {dtype}"))
            return
        same = ours == theirs
        if near is None and ours.dtype.kind == "f":
            same &= np.signbit(ours) == np.signbit(theirs)
        if ours.dtype.kind == "f":
            same |= (ours != ours) & (theirs != theirs)
        if near is not None:
            same |= near
        if same.all():
            return
        at = np.argwhere(~same)
        first = ", ".join(
            f"{tuple(map(int, i))}: {ours[tuple(i)]!r}, not {theirs[tuple(i)]!r}" for i in at[:SHOWN]
        )
        self.failures.append((what, f"{len(at)} of {same.size} differ: {first}"))


def indices_in_plane(indices: Array, windows: Windows) -> Array:
    """Indices of a padded plane as those of the plane; -1 in the padding."""
    padded = tuple(n + sum(p) for n, p in zip(windows.spatial, windows.pads, strict=True))
    places = np.unravel_index(indices, padded)
    flat, inside = np.zeros_like(indices), np.ones(indices.shape, bool)
    for place, n, (before, _) in zip(places, windows.spatial, windows.pads, strict=True):
        flat = flat * n + place - before
        inside &= (place >= before) & (place < before + n)
    return np.where(inside, flat, -1)


def columns(x: Tensor, windows: Windows) -> Tensor:
    """torch.nn.functional.unfold for any rank and padding, by views: (batch, channels x taps, windows)."""
    rank = len(windows.spatial)
    for axis, (k, s, d) in enumerate(zip(windows.kernel, windows.stride, windows.dilation, strict=True), 2):
        x = x.unfold(axis, d * (k - 1) + 1, s)[..., ::d]
    x = x.permute(0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank))
    return x.reshape(x.shape[0], x.shape[1] * windows.taps, -1)
