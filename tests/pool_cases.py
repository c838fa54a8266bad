# SPDX-License-Identifier: BSD-3-Clause
"""Cases of pooling: their description, data, solutions and random generator.

As cases.py for convolution: a `Pool` says what is pooled, by shape and seed, and prints as the Python call
that makes it again. `pool_check.py` runs npconv on it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import random
from typing import Any, NamedTuple

import cases
import numpy as np
import reference_pool as ref
from reference import Array, per_axis

LAYOUTS = cases.LAYOUTS
FLOATS = ("float32", "float64")
INTEGERS = ("int8", "uint8", "int16", "int32", "int64")
DTYPES = FLOATS + INTEGERS  # those of maxima and minima
EXACT = ("ints", "ties", "zeros", "nonfinite", "flat")  # data whose sums have no rounding in them
SLIDING = ("max", "min", "avg", "lp")
ADAPTIVE = ("adaptive_max", "adaptive_avg")
GLOBAL = ("global_max", "global_avg")
OPS = SLIDING + ADAPTIVE + GLOBAL
PLACED = ("max", "min", "adaptive_max")  # that have indices
EXTREMA = (*PLACED, "global_max")


# ---- a case ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Pool:
    """One pooling, whatever the dtype and the layout. `repr` leaves out what has its default."""

    op: str
    spatial: tuple[int, ...]
    size: Any = None  # kernel_size; of the adaptive ones output_size
    batch: int | None = 1  # None: an unbatched input
    channels: int = 1
    single: bool = False  # x is just its spatial axes
    stride: Any = None
    padding: Any = 0
    dilation: Any = 1
    ceil: bool = False
    include: bool = True  # count_include_pad
    divisor: int | None = None
    norm: float = 2
    keepdims: bool = True
    data: str = "ints"  # see `values`
    seed: int = 0

    @property
    def rank(self) -> int:
        return len(self.spatial)

    @property
    def extreme(self) -> bool:
        return self.op in EXTREMA

    @property
    def lead(self) -> tuple[int, ...]:
        """The axes before the spatial ones, channels first."""
        if self.single:
            return ()
        return (self.channels,) if self.batch is None else (self.batch, self.channels)

    @property
    def x_shape(self) -> tuple[int, ...]:
        return (*self.lead, *self.spatial)

    @property
    def windows(self) -> ref.Windows:
        if self.op in SLIDING:
            how = (self.stride, self.padding, self.dilation, self.ceil)
            return ref.sliding(self.spatial, self.size, *how)
        return ref.adaptive(self.spatial, 1 if self.op in GLOBAL else self.size)

    @property
    def taps(self) -> int:
        """Of all windows, batches and channels: what the oracle has to gather."""
        return math.prod(self.lead) * self.windows.real.size

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The positional arguments between x and the keywords."""
        if self.op in GLOBAL:
            return ()
        return (self.norm, self.size) if self.op == "lp" else (self.size,)

    @property
    def keywords(self) -> dict[str, Any]:
        """The keywords but layout, return_indices, out and num_threads."""
        if self.op in GLOBAL:
            return {"keepdims": self.keepdims}
        if self.op in ADAPTIVE:
            return {}
        names = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        names["ceil_mode"] = self.ceil
        if self.op == "avg":
            names |= {"count_include_pad": self.include, "divisor_override": self.divisor}
        return names

    def __repr__(self) -> str:
        fields = [(f, getattr(self, f.name)) for f in dataclasses.fields(self)]
        keywords = [f"{f.name}={v!r}" for f, v in fields[3:] if v != f.default]
        return f"Pool({', '.join([*map(repr, (self.op, self.spatial, self.size)), *keywords])})"


def values(kind: str, shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> Array:
    """Data of a kind; what floating point alone has becomes, of integers, their extremes.

    ints: small integers, whose sums are exact; ties: -1, 0 and 1; normal: standard normal, or any integers;
    special: NaN of both signs and of other bits, infinities, zeros of both signs among a few numbers; zeros:
    those of both signs; lowest, highest: nothing but -inf, inf; nonfinite: ints with a few NaN and
    infinities; flat: ints, constant along some axes; rising and falling: each number once, in order.
    """
    is_float = np.dtype(dtype).kind == "f"
    limits: Any = None if is_float else np.iinfo(dtype)
    size = math.prod(shape)
    if kind in ("ints", "ties", "nonfinite", "flat"):
        most = 1 if kind == "ties" else 4
        a = rng.integers(-most if is_float or limits.min else 0, most + 1, shape).astype(dtype)
        if kind == "nonfinite" and is_float and size:
            where = rng.integers(size, size=rng.integers(1, 4))
            a.reshape(-1)[where] = rng.choice([np.nan, np.inf, -np.inf], len(where))
        for axis in range(a.ndim if kind == "flat" else 0):
            if size and rng.integers(2):
                a = np.repeat(a.take([0], axis), a.shape[axis], axis)
        return a
    if kind in ("rising", "falling"):
        a = np.arange(size).reshape(shape)
        return (a if kind == "rising" else size - a).astype(dtype)
    if kind == "lowest":
        return np.full(shape, ref.lowest(dtype), dtype)
    if kind == "highest":
        return np.full(shape, ref.highest(dtype), dtype)
    if not is_float:
        if kind == "normal":
            return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
        return rng.choice(np.array([limits.min, limits.min + 1, 0, limits.max], dtype), shape)
    if kind == "normal":
        return rng.standard_normal(shape).astype(dtype)
    if kind == "zeros":
        return rng.choice(np.array([-0.0, 0.0], dtype), shape)
    assert kind == "special", kind
    pool = np.array([np.nan, np.nan, np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 1.0, 2.0], dtype)
    bits = pool.view(word_of(dtype))
    bits[1] |= word_of(dtype).type(1) << word_of(dtype).type(8 * pool.itemsize - 1)  # -NaN
    bits[2] |= word_of(dtype).type(0x123)
    weights = np.array([rng.choice([0, 0.02])] * 3 + [0.1, rng.choice([0.1, 3])] + [1] * 5)
    return rng.choice(pool, shape, p=weights / weights.sum())


def word_of(dtype: Any) -> np.dtype[Any]:
    """The unsigned integer of the same size."""
    return np.dtype(f"u{np.dtype(dtype).itemsize}")


def input_of(case: Pool, dtype: str) -> Array:
    """x, channels first."""
    return values(case.data, case.x_shape, dtype, np.random.default_rng([case.seed, 1]))


def gradient_of(case: Pool, shape: tuple[int, ...], dtype: str) -> Array:
    """grad_out for a result of that shape."""
    kind = case.data if case.data == "flat" else "ints" if case.data in EXACT else "normal"
    return values(kind, shape, dtype, np.random.default_rng([case.seed, 3]))


# ---- what is right -----------------------------------------------------------------------------------------


class Solution(NamedTuple):
    """The oracle's result, channels first, and the elementwise error allowed (None: equal bits)."""

    y: Array
    allowed: Array | None
    indices: Array | None = None


def gamma(n: Any, dtype: Any) -> Any:
    """n u / (1 - n u), u the unit roundoff (Higham, Accuracy and Stability of Numerical Algorithms, 3.1)."""
    nu = n * np.finfo(dtype).eps.astype(ref.WIDE) / 2
    return nu / (1 - nu)


def rounding(n: Any, dtype: str) -> Any:
    """The relative error of n roundings in `dtype`, and of the oracle's own in np.longdouble."""
    return gamma(n, dtype) + gamma(n, ref.WIDE)


def _is_power_of_two(divisor: Array) -> Array:
    return np.abs(np.frexp(np.abs(divisor.astype(float)))[0]) == 0.5


def function(op: str) -> Any:
    return getattr(ref, f"{op}_pool")


@functools.lru_cache(maxsize=4096)
def solve(case: Pool, dtype: str) -> Solution:
    x = input_of(case, dtype)
    how = case.keywords | {"rank": case.rank}
    result = function(case.op)(x, *case.arguments, **how)
    if case.extreme:
        return Solution(result[0], None, result[1])
    with np.errstate(invalid="ignore", over="ignore"):
        if case.op == "lp":
            return Solution(result, _lp_allowed(case, dtype, result))
        magnitude = abs(function(case.op)(abs(x), *case.arguments, **how))
    windows = case.windows
    taps = windows.shaped(windows.real.sum(-1)[None, None])[0, 0]
    divisor = _divisor(case)
    allowed = (rounding(taps + 2, dtype).reshape(-1) * magnitude.reshape(-1, taps.size)).reshape(result.shape)
    allowed = allowed + np.finfo(dtype).tiny
    if case.data in EXACT:
        exact = np.broadcast_to(_is_power_of_two(divisor), (result.size // taps.size, taps.size))
        allowed = np.where(exact.reshape(result.shape), 0, allowed)
    return Solution(result, allowed)


def _divisor(case: Pool) -> Array:
    """(P,) numbers by which an average's sums are divided."""
    windows = case.windows
    if case.op == "avg":
        return ref.divisors(windows, case.include, case.divisor)
    return windows.real.sum(-1)


def _lp_exact(case: Pool, y: Array) -> Array:
    """Where a norm of small integers has no rounding in it: p = 1, and p = 2 where the root is an integer."""
    if case.data not in EXACT or case.norm not in (1, 2):
        return np.zeros(y.shape, bool)
    return np.ones(y.shape, bool) if case.norm == 1 else y == np.round(y)


def _lp_relative(case: Pool, dtype: str, y: Array, powers: float = 1) -> Array:
    """The relative error of a norm: of |v|^p, their sum, the root and 1/p; float32 has float64 inside."""
    p = case.norm
    u = np.finfo(np.float64).eps
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.where((y > 0) & np.isfinite(y), np.abs(np.log(y)), 0)
    taps = case.windows.real.shape[1]
    relative = rounding(taps + 8, "float64") / p + 3 * u * logarithm + 4 * u
    if dtype == "float32":
        relative = relative + (4 / p + 4) * np.finfo(np.float32).eps / 2
    return relative * powers


def _lp_allowed(case: Pool, dtype: str, y: Array) -> Array:
    allowed = _lp_relative(case, dtype, y) * np.where(np.isfinite(y), y, 0) + np.finfo(dtype).tiny
    return np.where(_lp_exact(case, y), 0, allowed)


@functools.lru_cache(maxsize=4096)
def solve_gradient(case: Pool, dtype: str) -> Solution:
    """Of the gradient that has `gradient_of` for grad_out; `indices` are those of the maxima."""
    forward = solve(case, dtype)
    g = gradient_of(case, forward.y.shape, dtype)
    shape, how = case.x_shape, {"rank": case.rank}
    if case.op in PLACED:
        dx = ref.grad_max_pool(g, forward.indices, shape, **how)
        return Solution(dx, None, forward.indices)
    if case.op == "global_max":
        x = input_of(case, dtype)
        return Solution(ref.grad_global_max_pool(g, x, keepdims=case.keepdims, **how), None)
    if case.op == "lp":
        return _solve_lp_gradient(case, dtype, g)
    arguments = (shape, *case.arguments) if case.op == "avg" else (shape,)
    gradient = getattr(ref, f"grad_{case.op}_pool")
    dx = gradient(g, *arguments, **case.keywords, **how)
    magnitude = _magnitude_of_mean(case, g)
    covering = int(case.windows.spread(np.ones((1, 1, *case.windows.real.shape))).max(initial=0))
    allowed = rounding(covering + 2, dtype) * magnitude + np.finfo(dtype).tiny
    if case.data in EXACT and _is_power_of_two(_divisor(case)).all():
        allowed = np.zeros(dx.shape)
    return Solution(dx, allowed)


def _magnitude_of_mean(case: Pool, g: Array) -> Array:
    """The sum of the absolute values of the shares of each element."""
    windows = case.windows
    with np.errstate(divide="ignore", invalid="ignore"):
        lined = abs(g).astype(ref.WIDE).reshape(-1, len(windows.real)) / abs(_divisor(case))
    terms = np.broadcast_to(lined[None, :, :, None], (1, len(lined), *windows.real.shape))
    return windows.spread(terms).reshape(case.x_shape)


def _solve_lp_gradient(case: Pool, dtype: str, g: Array) -> Solution:
    x, how = input_of(case, dtype), case.keywords | {"rank": case.rank}
    dx = ref.grad_lp_pool(g, x, *case.arguments, **how)
    magnitude = ref.grad_lp_pool(abs(g), abs(x), *case.arguments, **how)
    y = solve(case, dtype).y
    worst = float(_lp_relative(case, dtype, y, abs(1 - case.norm) + 1).max(initial=0))
    covering = int(case.windows.spread(np.ones((1, 1, *case.windows.real.shape))).max(initial=0))
    relative = worst + rounding(covering + 10 + 2 * abs(case.norm - 1), dtype)
    return Solution(dx, relative * magnitude + np.finfo(dtype).tiny)


def for_gradient(case: Pool) -> Pool:
    """The case, or one with other data where the gradient of a norm is not defined."""
    undefined = case.op == "lp" and (case.data == "nonfinite" or case.norm < 1)
    return dataclasses.replace(case, data="normal") if undefined else case


# ---- random cases ------------------------------------------------------------------------------------------

CHANNELS = (1, 1, 1, 2, 3, 5, 16, 17, 33, 70)
KINDS = {  # of data
    "max": (
        *("ties", "ties", "flat", "normal", "special", "special", "zeros", "lowest", "highest"),
        *("rising", "falling"),
    ),
    "avg": ("ints", "ints", "flat", "normal", "normal", "nonfinite"),
    "lp": ("ints", "flat", "normal", "normal", "nonfinite"),
}
NORMS = (1, 1.0, 2, 2.0, 3, 0.5, 1.5, 4, 2.75)


def random_pool(
    r: random.Random,
    op: str | None = None,
    rank: int | None = None,
    *,
    taps: int = 40_000,
    narrow: float = 0,
) -> Pool:
    """A case over all arguments, mostly small, of at most `taps` taps in all.

    `narrow`: how probable a size of one to three is for each axis, beyond what is drawn anyway; and all the
    padding that a window allows, which makes more results than the axis has entries.
    """
    op, rank = op or r.choice(OPS), rank or r.choice((1, 2, 2, 3))
    while True:
        try:
            case = _random_shape(r, op, rank, narrow)
            if case.taps <= taps:
                break
        except ValueError:  # no window fits
            continue
    kind = "max" if case.extreme else "lp" if op == "lp" else "avg"
    return dataclasses.replace(case, data=r.choice(KINDS[kind]), seed=r.randrange(2**31))


def _random_shape(r: random.Random, op: str, rank: int, narrow: float) -> Pool:
    spatial = [r.randint(1, 20 if rank < 3 else 8) for _ in range(rank)]
    if r.random() < 0.3:
        spatial[-1] = r.randint(21, 70)
    if narrow:
        spatial = [r.choice((1, 1, 2, 3)) if r.random() < narrow else n for n in spatial]
    batch, channels = r.choice((None, 1, 1, 2, 3)), r.choice(CHANNELS)
    if r.random() < 0.03:
        batch, channels = r.choice(((0, 3), (2, 0), (0, 0)))
    common: dict[str, Any] = {"batch": batch, "channels": channels}
    if r.random() < 0.08:
        common = {"single": True}
    if op in GLOBAL:
        return Pool(op, tuple(spatial), keepdims=r.random() < 0.5, **common)

    def one_or_each(values: Any) -> Any:
        """An int, or an int per axis."""
        return r.choice(values) if r.random() < 0.4 else tuple(r.choice(values) for _ in range(rank))

    if op in ADAPTIVE:
        return Pool(op, tuple(spatial), one_or_each((1, 1, 2, 3, 4, 5, 7, 9, 20, *spatial)), **common)
    kernel = one_or_each((1, 2, 2, 3, 3, 3, 4, 5, 7, 9) if rank < 3 else (1, 2, 2, 3, 3, 4))
    if r.random() < 0.1:
        kernel = (*per_axis(kernel, rank)[:-1], r.randint(10, 33))
    stride, dilation = (one_or_each((1, 1, 2, 3, 4, 5)), one_or_each((1, 1, 1, 2, 3, 7)))
    if r.random() < 0.3:
        stride = None
    extents = [d * (k - 1) for k, d in zip(per_axis(kernel, rank), per_axis(dilation, rank), strict=True)]
    form = r.choice(("none", "int", "each", "pairs", "pairs", "name", "name"))
    padding: Any = 0
    if form == "int":
        padding = r.randint(0, min(extents))
    elif form == "each":
        padding = tuple(r.randint(0, e) for e in extents)
    elif form == "pairs":
        padding = tuple((r.randint(0, e), r.randint(0, e)) for e in extents)
    elif form == "name":
        padding = r.choice(cases.PADDING_NAMES)
    if narrow and r.random() < narrow:
        stride, padding = one_or_each((1, 1, 2)), "full"
    how: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    how["ceil"] = r.random() < 0.4
    if op == "avg":
        how |= {"include": r.random() < 0.5, "divisor": r.choice((None, None, None, 1, 4, -3, 7))}
    if op == "lp":
        how["norm"] = r.choice(NORMS)
    return Pool(op, tuple(spatial), kernel, **how, **common)
