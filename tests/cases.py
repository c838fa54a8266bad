# SPDX-License-Identifier: BSD-3-Clause
"""Test cases: their description, data and random generator, and `check`, which runs npconv on one of them.

A `Case` says what is convolved, by shape and seed, and prints as the Python call that makes it again.
`check` runs npconv on it (instruction set, dtype, layout, plan or function, memory of the arguments),
compares the result with the oracle of reference.py, and fails with one line that reproduces it:

    cd tests && python -c "from cases import *; check(Case((5, 7), (3, 3), cin=2), isa='avx2')"
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
from collections.abc import Iterator
from math import inf  # `from cases import *` gives it to the printed cases
from typing import Any, NamedTuple

import numpy as np
import reference
from arrangements import place
from reference import Array

MODES = ("zeros", "reflect", "replicate", "circular")
LAYOUTS = ("channels_first", "channels_last")
DTYPES = ("float32", "float64")
PADDING_NAMES = ("valid", "full", "same", "same_lower", "causal")
# A slope that is a power of 2 and limits with few bits keep integers exact in float32.
EXACT_ACTIVATIONS: tuple[reference.Activation, ...] = (
    "relu",
    "relu6",
    ("leaky_relu", 0.25),
    ("leaky_relu", 2.0),
    ("leaky_relu", -0.5),
    ("clip", -3.5, 10.25),
    ("clip", 2.0, 2.0),
    ("clip", -inf, 5.0),
)
INEXACT_ACTIVATIONS: tuple[reference.Activation, ...] = (
    "leaky_relu",
    ("leaky_relu", 0.3),
    "sigmoid",
    "tanh",
    "silu",
    "hardswish",
    "gelu",
    "gelu_tanh",
)
ACTIVATION_ULPS = 4  # the promise of the design page


# ---- a case ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Case:
    """One convolution, whatever the dtype and the layout. `repr` leaves out what has its default."""

    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    batch: int | None = 1  # None: an unbatched input
    cin: int = 1
    cout: int = 1
    groups: int = 1
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    mode: str = "zeros"
    flip: bool = False
    bias: bool = False
    residual: bool = False
    activation: reference.Activation = None
    single: bool = False  # x and w are just their spatial axes
    # ints: small integers, so that every sum is exact in float32; flat: the same, constant along some axes;
    # nonfinite: ints with a few NaN and infinities; normal: standard normal; wide: exponents far apart;
    # sparse: wide, most of them zero
    data: str = "ints"
    seed: int = 0

    @property
    def rank(self) -> int:
        return len(self.spatial)

    @property
    def terms(self) -> int:
        return self.cin // self.groups * math.prod(self.kernel)

    @property
    def pixels(self) -> tuple[int, ...]:
        return reference.output_size(self.spatial, self.kernel, self.stride, self.padding, self.dilation)

    @property
    def macs(self) -> int:
        return (1 if self.batch is None else self.batch) * self.cout * self.terms * math.prod(self.pixels)

    @property
    def exact(self) -> bool:
        return self.data not in ("normal", "wide", "sparse")

    @property
    def keywords(self) -> dict[str, Any]:
        """The keywords that conv{N}d and plan_conv share, but layout."""
        names = ("stride", "padding", "dilation", "groups", "flip", "activation")
        return {name: getattr(self, name) for name in names} | {"padding_mode": self.mode}

    def __repr__(self) -> str:
        fields = [(f, getattr(self, f.name)) for f in dataclasses.fields(self)]
        keywords = [f"{f.name}={v!r}" for f, v in fields[2:] if v != f.default]
        return f"Case({', '.join([repr(self.spatial), repr(self.kernel), *keywords])})"


class Arrays(NamedTuple):
    """x, w, bias and residual, channels first."""

    x: Array
    w: Array
    bias: Array | None
    residual: Array | None


def arrays(case: Case, draw: int = 0) -> Arrays:
    """The data of a case in float64. `draw` > 0 gives other inputs for the same weights (for plans)."""
    rng = np.random.default_rng([case.seed, 1])
    group_channels = case.cin // case.groups
    if case.single:
        x_shape, w_shape, y_shape = case.spatial, case.kernel, case.pixels
    else:
        lead = () if case.batch is None else (case.batch,)
        x_shape, y_shape = (*lead, case.cin, *case.spatial), (*lead, case.cout, *case.pixels)
        w_shape = (case.cout, group_channels, *case.kernel)
    fill = {"normal": _normal, "wide": _wide, "sparse": _sparse}.get(case.data, _integers)
    w = fill(rng, w_shape, case.terms)
    bias = fill(rng, (case.cout,), case.terms) if case.bias else None
    if draw:
        rng = np.random.default_rng([case.seed, 1, draw])
    x = fill(rng, x_shape, case.terms)
    residual = fill(rng, y_shape, case.terms) if case.residual else None
    if case.data == "flat":
        x, w = _flatten(rng, x), _flatten(rng, w)
    if case.data == "nonfinite":
        targets = [a for a in (x, w, x, w, bias, residual) if a is not None]
        for target in (targets[i] for i in rng.integers(len(targets), size=2)):
            if target.size:
                where = rng.integers(target.size, size=rng.integers(1, 3))
                target.reshape(-1)[where] = rng.choice([np.nan, np.inf, -np.inf], len(where))
    return Arrays(x, w, bias, residual)


def _integers(rng: np.random.Generator, shape: tuple[int, ...], terms: int) -> Array:
    """Integers whose products sum to less than 2**23 in absolute value, in whatever order they are added."""
    largest = max(1, min(8, math.isqrt(2**22 // max(terms, 1))))
    assert terms * largest**2 + 2 * largest < 2**23
    return rng.integers(-largest, largest, shape, dtype=np.int8, endpoint=True).astype(np.float64)


def _normal(rng: np.random.Generator, shape: tuple[int, ...], terms: int) -> Array:
    return rng.standard_normal(shape)


def _wide(rng: np.random.Generator, shape: tuple[int, ...], terms: int) -> Array:
    """Products from 1e-40 (which underflow in float32) to 1e30, in runs of like size and of unlike sign."""
    return rng.standard_normal(shape) * 10.0 ** rng.choice([-20, -8, -1, 0, 4, 15], shape)


def _sparse(rng: np.random.Generator, shape: tuple[int, ...], terms: int) -> Array:
    return _wide(rng, shape, terms) * (rng.random(shape) < 0.1)


def _flatten(rng: np.random.Generator, a: Array) -> Array:
    """`a` made constant along some axes, where a view may then have a stride of zero."""
    for axis in range(a.ndim):
        if a.shape[axis] and rng.integers(2):
            a = np.repeat(a.take([0], axis), a.shape[axis], axis)
    return a


# ---- what is right -----------------------------------------------------------------------------------------


class Solution(NamedTuple):
    """The oracle's result, channels first, and the elementwise error allowed (None: exact, or by ULPs)."""

    y: Array
    allowed: Array | None


def solve(case: Case, dtype: str = "float64", draw: int = 0) -> Solution:
    """The solution of a case. Exact data have the same one for every dtype."""
    data = arrays(case, draw)
    how = dict(case.keywords, spatial_rank=case.rank)
    if case.exact:
        with np.errstate(invalid="ignore"):
            return Solution(reference.conv(data.x, data.w, data.bias, residual=data.residual, **how), None)
    wide: Any = np.float64 if dtype == "float32" else np.longdouble
    x, w, bias, residual = (None if a is None else a.astype(dtype) for a in data)
    how["accumulate"] = wide
    y = reference.conv(x, w, bias, residual=residual, **how)
    # The oracle rounds as well: nothing beside float32, all of it where long double is float64.
    allowed = [reference.bound(x, w, bias, residual=residual, dtype=t, **how) for t in (dtype, wide)]
    return Solution(y, allowed[0] + allowed[1])


def difference(y: Array, solution: Solution, case: Case) -> str | None:
    """What is wrong with y (channels first), in words, or None. -0 equals +0."""
    want, allowed = solution
    if y.shape != want.shape:
        return f"shape is {y.shape}, expected {want.shape}"
    wrong = y != want
    if not wrong.any():
        return None
    wrong &= ~(np.isnan(y) & np.isnan(want))
    if allowed is None and not reference.is_exact(case.activation):
        # Subnormals may be flushed; where long double is no wider than y the oracle has ULPs of its own.
        ulps = ACTIVATION_ULPS + 0.5 if np.finfo(np.longdouble).eps < np.finfo(y.dtype).eps else 200
        finite = np.where(np.isfinite(want), want, 0)
        allowed = (
            ulps * np.spacing(abs(finite).astype(y.dtype)).astype(np.longdouble) + np.finfo(y.dtype).tiny
        )
    if allowed is not None:
        with np.errstate(invalid="ignore"):
            wrong &= ~(abs(y - want) <= allowed)
    if not wrong.any():
        return None
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    limit = "" if allowed is None else f", error {abs(y[at] - want[at]):.3g} > {allowed[at]:.3g}"
    return f"{wrong.sum()} of {wrong.size} wrong, first at {at}: {y[at]!r}, expected {want[at]!r}{limit}"


# ---- memory of the arguments -------------------------------------------------------------------------------

VIEWS = ("plain", "strided", "swapped", "misaligned", "repeated", "mixed")  # of arrangements.py


class Canvas:
    """An `out` full of NaN, its images apart, in memory full of a NaN of its own that must not change."""

    def __init__(self, shape: tuple[int, ...], dtype: str, batched: bool, rng: np.random.Generator) -> None:
        self.word, canary = (np.uint32, 0x7FC0BEEF) if dtype == "float32" else (np.uint64, 0x7FF8DEADBEEF0000)
        self.canary = self.word(canary)
        images = shape[0] if batched else 1
        image = math.prod(shape[1:] if batched else shape)
        step = image + int(rng.integers(0, 9))
        self.memory = np.full(7 + images * step + 9, self.canary)
        strides = np.empty(shape[1:] if batched else shape, self.word).strides
        if batched:
            strides = (step * self.memory.itemsize, *strides)
        self.words = np.lib.stride_tricks.as_strided(self.memory[7:], shape, strides)
        self.out = self.words.view(dtype)
        self.out[...] = np.nan

    def damage(self) -> str | None:
        """What has been written beside `out`, in words, or None; called once, at the end."""
        self.words[...] = self.canary
        where = np.flatnonzero(self.memory != self.canary)
        return (
            f"memory beside out was written, at {where[:5] - 7} elements from its start"
            if len(where)
            else None
        )


# ---- running npconv ----------------------------------------------------------------------------------------

KERNELS_OF_ONE_SET = (
    "gemm",
    "depthwise",
    "direct",
)  # what runs is of the instruction set in use and nothing else
FORMS = ("call", "typed", "out", "inplace", "plan")


@contextlib.contextmanager
def forced(isa: str) -> Iterator[None]:
    """The instruction set `isa` inside the block, the previous one after it."""
    from npconv import _core

    previous = _core._set_isa(isa)
    try:
        assert _core._isa() == isa
        yield
    finally:
        _core._set_isa(previous)


@contextlib.contextmanager
def small_tiles(wanted: bool = True) -> Iterator[None]:
    """Tiles so small that a small problem takes every turn that a large one does."""
    from npconv import _core

    _core._set_small_tiles(wanted)
    try:
        yield
    finally:
        _core._set_small_tiles(False)


@contextlib.contextmanager
def lane(wanted: str) -> Iterator[None]:
    """What a vector holds: of "channel" and "pixel" that one, where the algorithm has both."""
    from npconv import _core

    _core._set_lane(wanted)
    try:
        yield
    finally:
        _core._set_lane("automatic")


def _typed(value: Any) -> Any:
    """The same argument in other types that the API takes: NumPy's integers, lists for tuples, np.bool_."""
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return np.int16(value)
    return [_typed(v) for v in value] if isinstance(value, tuple) else value


@dataclasses.dataclass(frozen=True)
class Call:
    """How npconv is called on a case."""

    isa: str | None = None  # None: the instruction set that is in use
    dtype: str = "float32"
    layout: str = "channels_first"
    form: str = "call"  # FORMS: by keyword, in other types, with `out`, with the residual as `out`, by a plan
    view: str = "plain"  # VIEWS
    algorithm: str = "gemm"
    threads: int | None = None
    small_tiles: bool = False  # cut as a large problem is: several threads, blocks of k, panels, chunks

    def __str__(self) -> str:
        fields = [(f, getattr(self, f.name)) for f in dataclasses.fields(self)]
        return "".join(f", {f.name}={v!r}" for f, v in fields if v != f.default)


def check(case: Case, *, solution: Solution | None = None, **call: Any) -> None:
    """Run npconv on a case in one way, the fields of `Call`; an error tells the line that reproduces it."""
    how = Call(**call)
    expected = solve(case, how.dtype) if solution is None else solution
    try:
        with forced(how.isa) if how.isa else contextlib.nullcontext(), small_tiles(how.small_tiles):
            problem = _run(case, expected, how)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise AssertionError(f"{problem}\n    check({case!r}{how})")


def _run(case: Case, expected: Solution, how: Call) -> str | None:
    """What is wrong with npconv's result, or None."""
    from npconv import _core

    before = _core._kernel_runs()
    results, canvas = _results(case, expected, how)
    ran = {name for name, count in _core._kernel_runs().items() if count > before.get(name, 0)}
    if how.isa and how.algorithm in KERNELS_OF_ONE_SET and case.macs and ran != {how.isa}:
        return f"the kernels that ran are {sorted(ran)}, not {how.isa}"
    if canvas is not None and results[-1][0] is not canvas.out:
        return "the result is not out"
    last = how.layout == "channels_last" and not case.single
    named = []
    if how.algorithm == "auto" and "winograd" in ran:  # its error has tests of its own
        named = _results(case, expected, dataclasses.replace(how, algorithm="winograd"))[0]
    for number, (y, want) in enumerate(results):
        if not isinstance(y, np.ndarray) or y.dtype != np.dtype(how.dtype) or not y.dtype.isnative:
            return f"the result is {type(y).__name__} of {getattr(y, 'dtype', None)}"
        if named:
            if not np.array_equal(y, named[number][0], equal_nan=True):
                return '"auto" chose Winograd\'s convolution, and "winograd" gives another result'
            continue
        problem = difference(np.moveaxis(y, -1, -1 - case.rank) if last else y, want, case)
        if problem:
            return problem
    return canvas.damage() if canvas is not None else None


def _results(case: Case, expected: Solution, how: Call) -> tuple[list[tuple[Any, Solution]], Canvas | None]:
    """What npconv gives and what is expected, in one layout each; and the memory around `out`."""
    import npconv

    rng = np.random.default_rng([case.seed, 2])
    last = how.layout == "channels_last" and not case.single
    batched = case.batch is not None and not case.single

    def laid(a: Array | None, mapped: bool = True) -> Any:
        """An argument as npconv gets it; x and residual (`mapped`) in the layout of the call."""
        if a is None:
            return None
        return place(
            (np.moveaxis(a, -1 - case.rank, -1) if mapped and last else a).astype(how.dtype), how.view, rng
        )

    data = arrays(case)
    x, w, bias, residual = laid(data.x), laid(data.w, False), laid(data.bias, False), laid(data.residual)
    keywords = case.keywords | {"layout": how.layout, "algorithm": how.algorithm, "num_threads": how.threads}
    y_shape = np.moveaxis(expected.y, -1 - case.rank, -1).shape if last else expected.y.shape
    canvas = Canvas(y_shape, how.dtype, batched, rng) if how.form in ("out", "inplace", "plan") else None
    out = None if canvas is None else canvas.out

    results = []  # (y, expected y channels first)
    if how.form == "plan" and not (case.single and case.rank == 3):  # plan_conv reads 3 and 3 axes as 1-D
        x_shape = (None, *x.shape[1:]) if batched and rng.integers(2) else x.shape
        w, bias = np.array(w), None if bias is None else np.array(bias)
        plan = npconv.plan_conv(x_shape, w, bias, **keywords)
        assert plan.output_shape == ((None, *y_shape[1:]) if x_shape[0] is None else y_shape)
        for copied in (w, bias):  # a plan has copies of its own
            if copied is not None:
                copied[...] = np.nan
        results.append((plan(x, residual=residual), expected))
        if batched:  # once more, with other images: the same ones backwards
            x, residual = x[::-1], None if residual is None else residual[::-1]
            expected = Solution(*(None if a is None else a[::-1] for a in expected))
        results.append((plan(x, residual=residual, out=out), expected))
    else:
        if how.form == "typed":
            names = ("stride", "padding", "dilation", "groups", "flip", "num_threads")
            keywords |= {name: _typed(keywords[name]) for name in names}
        if how.form == "inplace" and residual is not None:
            out[...] = residual
            residual = out
        conv = getattr(npconv, f"conv{case.rank}d")
        results.append((conv(x, w, bias, residual=residual, out=out, **keywords), expected))

    return results, canvas


def ways(rng: np.random.Generator, case: Case) -> dict[str, Any]:
    """A random way to call npconv for `check`, but dtype, layout and instruction set."""
    how: dict[str, Any] = {
        "form": str(rng.choice(FORMS)),
        "view": str(rng.choice(VIEWS)),
        "threads": (None, 1, 2, 3)[rng.integers(4)],
        "small_tiles": bool(rng.integers(2)),
    }
    if case.data == "flat":
        how["view"] = "repeated"
    return how


# ---- random cases ------------------------------------------------------------------------------------------

CHANNELS = (1, 1, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65)


def random_case(
    r: random.Random,
    rank: int | None = None,
    data: str | None = None,
    *,
    inexact: bool = False,
    macs: int = 120_000,
) -> Case:
    """A case over all arguments, mostly small, of at most `macs` multiplications.

    `data` None: small integers, some of them constant along axes. `inexact`: transcendental activations too.
    """
    rank = rank or r.choice((1, 2, 2, 3))
    while True:
        case = _random_shape(r, rank)
        if case.macs <= macs:
            break
    extras: dict[str, Any] = {
        "data": data or r.choice(("ints", "ints", "ints", "flat")),
        "seed": r.randrange(2**31),
    }
    for name in ("flip", "bias", "residual"):
        extras[name] = r.random() < 0.4
    if extras["data"] not in ("normal", "wide", "sparse") and r.random() < 0.4:
        extras["activation"] = r.choice(
            EXACT_ACTIVATIONS + INEXACT_ACTIVATIONS if inexact else EXACT_ACTIVATIONS
        )
    if extras["data"] in ("normal", "wide", "sparse"):
        extras["activation"] = None
    return dataclasses.replace(case, **extras)


def random_depthwise_case(r: random.Random, rank: int | None = None, **how: Any) -> Case:
    """A random case of one input channel a group, often as many output channels, or of two in and out."""
    case = random_case(r, rank, **how)
    groups, multiplier = r.choice((*CHANNELS, 32, 48, 80)), r.choice((1, 1, 1, 2, 3))
    if groups > 1 and r.random() < 0.2:  # what every kernel set serves
        return dataclasses.replace(case, single=False, cin=2 * groups, cout=2 * groups, groups=groups)
    return dataclasses.replace(case, single=False, cin=groups, cout=groups * multiplier, groups=groups)


def random_direct_case(r: random.Random, rank: int | None = None, **how: Any) -> Case:
    """A random case of at most eight output channels a group, some with rows of many vectors."""
    while True:
        case = random_case(r, rank, **how)
        if r.random() < 0.1:  # the edges of such rows are read with masks
            case = dataclasses.replace(
                case, spatial=(r.randint(3, 9), r.randint(180, 420)), kernel=(3, r.choice((1, 3, 5))), cin=2,
                cout=r.choice((1, 2, 3)), groups=1, stride=1, dilation=1, padding="same", single=False,
            )  # fmt: skip
        if case.cin and 0 < case.cout // case.groups <= 8:
            return case


def _random_shape(r: random.Random, rank: int) -> Case:
    """A `Case` of random sizes, valid but perhaps too large."""

    def one_or_each(values: tuple[int, ...]) -> Any:
        """An int, or an int per axis."""
        return r.choice(values) if r.random() < 0.5 else tuple(r.choice(values) for _ in range(rank))

    long = rank == 1 and r.random() < 0.2  # signals: long inputs, long filters, few channels
    kernel = tuple(
        r.choice((1, 1, 2, 3, 3, 3, 4, 5, 7) if rank < 3 else (1, 2, 2, 3, 3, 4)) for _ in range(rank)
    )
    if long:
        kernel = (r.randint(1, 70),)
    stride, dilation = one_or_each((1, 1, 1, 2, 3, 5)), one_or_each((1, 1, 1, 2, 3, 5))
    padding: Any = r.choice(PADDING_NAMES)
    if r.random() < 0.6:
        padding = one_or_each((0, 0, 1, 2, 3, 7))
        if r.random() < 0.5:
            padding = tuple((r.randint(0, 4), r.choice((0, 1, 2, 6))) for _ in range(rank))
    mode = r.choice(("zeros", *MODES))

    spatial = []
    for axis, (k, d) in enumerate(zip(kernel, reference.per_axis(dilation, rank), strict=True)):
        extent = d * (k - 1) + 1
        if isinstance(padding, str):
            least = extent if padding == "valid" else 1
        else:
            least = max(1, extent - sum(reference.paddings(padding, [0] * rank, kernel)[axis]))
        spatial.append(least + r.choice((0, 0, 1, 2, 3, 5, 8, 13, 21) if rank < 3 else (0, 0, 1, 2, 3, 5)))
    if long:
        spatial[0] += r.randint(0, 400)
    if r.random() < 0.04:
        return Case(
            tuple(spatial), kernel, single=True, stride=stride, padding=padding, dilation=dilation, mode=mode
        )

    cin, cout, groups = r.choice(CHANNELS), r.choice(CHANNELS), r.choice((1, 1, 1, 2, 3, 4, 5))
    kind = r.random()
    if kind < 0.15:  # depthwise, with a channel multiplier
        cin, cout, groups = 1, r.choice((1, 1, 2, 3)), r.choice(CHANNELS)
    elif kind < 0.17:
        cin = 0
    elif kind < 0.18:
        cout = 0
    batch = 0 if r.random() < 0.01 else r.choice((None, 1, 1, 2, 3))
    if mode == "zeros" and padding not in ("valid", 0) and r.random() < 0.03:  # an axis that is border alone
        axis = r.randrange(rank)
        extent = reference.per_axis(dilation, rank)[axis] * (kernel[axis] - 1) + 1
        pads = (
            sum(reference.paddings(padding, [0] * rank, kernel)[axis])
            if padding != "full"
            else 2 * extent - 2
        )
        if (isinstance(padding, str) and padding != "full") or pads >= extent:
            spatial[axis] = 0
    return Case(
        tuple(spatial), kernel, batch, cin * groups, cout * groups, groups, stride, padding, dilation, mode
    )
