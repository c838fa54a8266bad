# SPDX-License-Identifier: BSD-3-Clause
"""Random calls of every gradient, of pooling and of what goes with them, and the check of one call.

`draw(seed)` gives a `Call`: its operands, what is called, and the oracle's answer. Sizes are often 1. `check`
runs it on one instruction set with every operand in memory of its own arrangement, everything against guard
pages, and compares: to the bit where data are small integers, within a bound otherwise. Everything follows
from the seed, so that `python tests/fuzz_gradients.py --only SEED` is the same call again.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable
from typing import Any

import cases
import npconv
import numpy as np
import pool_cases
import reference_grad
import reference_pool as ref
from arrangements import NAMES, NONE, Result, place
from grad_cases import Layer, Sizes, Transposed, gamma, random_layer, random_transposed
from npconv import _core, grad
from pool_cases import FLOATS, GLOBAL, LAYOUTS
from pool_check import difference
from reference import Array

NARROW = 0.45  # how many axes get the least size
TAPS, PRODUCTS = 3_000, 40_000  # at most, of a pooling and of a convolution


@dataclasses.dataclass(frozen=True)
class Answer:
    """One result, in the layout of the call, and the elementwise error allowed (None: equal bits)."""

    want: Array
    allowed: Array | None
    dtype: str
    magnitude: Array | None = None  # of a convolution: the sums of the products' absolute values

    def problem(self, got: Any, winograd: bool) -> str | None:
        if not isinstance(got, np.ndarray | np.generic) or got.dtype != np.dtype(self.dtype):
            return f"the result is {type(got).__name__} of {getattr(got, 'dtype', None)}"
        if winograd and self.magnitude is not None and got.shape == self.want.shape:
            error = np.linalg.norm((got - self.want).astype(np.float64).ravel())
            most = 4e-6 if self.dtype == "float32" else 1e-14
            size = np.linalg.norm(self.magnitude.astype(np.float64).ravel())
            return None if error <= most * size else f"by Winograd: the error is {error}, of {size}"
        return difference(got, self.want, self.allowed)


@dataclasses.dataclass(frozen=True)
class Call:
    """What is called: function(*operands, **more), `more` being out and num_threads where it takes them."""

    text: str
    operands: dict[str, Array]
    function: Callable[..., Any]
    answers: tuple[Answer, ...]
    batched: bool  # the result: images of `out` may be apart
    takes_out: bool = True
    takes_threads: bool = True


# ---- pooling -----------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Pooling:
    """A drawn pooling with its layout: what the calls on it have in common."""

    case: pool_cases.Pool
    layout: str

    @property
    def last(self) -> bool:
        return self.layout == "channels_last" and not self.case.single

    @property
    def axes(self) -> int:
        """Spatial ones of the result."""
        return 0 if self.case.op in GLOBAL and not self.case.keepdims else self.case.rank

    @property
    def batched(self) -> bool:
        return self.case.batch is not None and not self.case.single

    def laid(self, a: Array, axes: int | None = None) -> Array:
        axes = self.case.rank if axes is None else axes
        return np.moveaxis(a, -1 - axes, -1) if self.last and axes else a

    def function(self, name: str, module: Any) -> Any:
        return getattr(module, f"{name}{self.case.rank}d")

    def answer(self, y: Array, allowed: Array | None, dtype: str, axes: int) -> Answer:
        return Answer(
            self.laid(y, axes), None if allowed is None else self.laid(np.asarray(allowed), axes), dtype
        )


def drawn_pooling(r: random.Random, op: str | None = None) -> Pooling:
    case = pool_cases.random_pool(r, op, taps=TAPS, narrow=NARROW)
    if r.random() < 0.3:
        case = dataclasses.replace(case, data="flat")  # strides of zero
    return Pooling(case, r.choice(LAYOUTS))


def pooling(r: random.Random) -> Call:
    drawn = drawn_pooling(r)
    case, dtype = drawn.case, r.choice(pool_cases.DTYPES if drawn.case.extreme else FLOATS)
    solution = pool_cases.solve(case, dtype)
    answers = [drawn.answer(solution.y, solution.allowed, dtype, drawn.axes)]
    how: dict[str, Any] = case.keywords | {"layout": drawn.layout}
    if case.op in pool_cases.PLACED and r.random() < 0.7:
        assert solution.indices is not None
        answers.append(drawn.answer(solution.indices, None, "int64", drawn.axes))
        how["return_indices"] = True
    called = drawn.function(f"{case.op}_pool", npconv)
    return Call(
        f"{called.__name__} {case!r} {drawn.layout} {dtype}",
        {"x": drawn.laid(pool_cases.input_of(case, dtype))},
        lambda x, **more: called(x, *case.arguments, **how, **more),
        tuple(answers),
        drawn.batched,
    )


def pooling_gradient(r: random.Random) -> Call:
    drawn = drawn_pooling(r, r.choice(("avg", "avg", None)))
    case, dtype = pool_cases.for_gradient(drawn.case), r.choice(FLOATS)
    drawn.case = case
    forward = pool_cases.solve(case, dtype)
    solution = pool_cases.solve_gradient(case, dtype)
    operands = {"grad_out": drawn.laid(pool_cases.gradient_of(case, forward.y.shape, dtype), drawn.axes)}
    x = drawn.laid(pool_cases.input_of(case, dtype))
    how: dict[str, Any] = case.keywords | {"layout": drawn.layout}
    called = drawn.function(f"{case.op}_pool", grad)
    arguments: tuple[Any, ...] = ()
    if case.op in pool_cases.PLACED:
        assert solution.indices is not None
        operands["indices"] = drawn.laid(solution.indices)
        arguments, how = (x.shape,), {"layout": drawn.layout}
    elif case.op in ("lp", "global_max"):
        operands["x"] = x
        arguments = case.arguments
    else:
        arguments = (x.shape, *case.arguments) if case.op == "avg" else (x.shape,)
    return Call(
        f"grad.{called.__name__} {case!r} {drawn.layout} {dtype}",
        operands,
        lambda *given, **more: called(*given, *arguments, **how, **more),
        (drawn.answer(solution.y, solution.allowed, dtype, case.rank),),
        drawn.batched,
    )


def columns(r: random.Random) -> Call:
    """unfold, fold and their gradients, which are each other."""
    while True:
        drawn = drawn_pooling(r, "avg")
        case, dtype = drawn.case, r.choice(FLOATS)
        if not case.ceil and math.prod(case.lead):
            break
    rank, size = case.rank, case.size
    name = r.choice(("unfold", "fold", "grad.unfold", "unfold" if case.single else "grad.fold"))
    how: dict[str, Any] = {"stride": r.choice((1, case.stride or 2)), "padding": case.padding}
    how |= {"dilation": case.dilation, "layout": drawn.layout}
    gradient = name.startswith("grad.")
    called = drawn.function(name.removeprefix("grad."), grad if gradient else npconv)
    x = drawn.laid(pool_cases.input_of(case, dtype))
    y = ref.unfold(x, size, rank=rank, **how)
    if name in ("unfold", "grad.fold"):
        operand, want = x, y
        arguments: tuple[Any, ...] = (size,)
    else:
        operand = pool_cases.values(
            r.choice(("ints", "flat")), y.shape, dtype, np.random.default_rng([case.seed, 5])
        )
        want = ref.fold(operand, case.spatial, size, rank=rank, **how)
        arguments = (case.spatial, size)
        if name == "grad.unfold":
            want, arguments = want.reshape(x.shape), (x.shape, size)
    return Call(
        f"{name}{rank}d {case!r} {how} {dtype}",
        {"x" if name == "unfold" else "cols" if name == "fold" else "grad_out": operand},
        lambda a, **more: called(a, *arguments, **how, **more),
        (Answer(want, np.zeros(()), dtype),),
        drawn.batched,
        takes_out=not gradient,
    )


def unpooling(r: random.Random) -> Call:
    """max_unpool and its gradient, with any indices."""
    while True:
        rank = r.choice((1, 2, 2, 3))
        sizes = tuple(r.choice((1, 1, 2, 3, 4, 6)) for _ in range(rank))
        kernel, stride = r.randint(1, 4), r.choice((None, 1, 2, 3))
        padding = r.choice((0, "valid", "same", "same_lower", "causal", r.randint(0, kernel - 1)))
        try:
            usual = ref.unpooled_size(sizes, kernel, stride, padding)
            break
        except ValueError:
            continue
    near = (stride or kernel) - 1
    wanted = tuple(max(1, n + r.randint(-near, near)) for n in usual) if r.random() < 0.4 else None
    plane = wanted or usual
    lead = r.choice(((), (1,), (3,), (1, 1), (2, 3), (3, 1), (1, 17)))
    drawn = Pooling(pool_cases.Pool("max", sizes, kernel, single=not lead), r.choice(LAYOUTS))
    rng = np.random.default_rng(r.randrange(2**31))
    # The same in all images, often, so that they can repeat one.
    indices = rng.integers(0, math.prod(plane), (*lead, *sizes) if r.random() < 0.6 else sizes)
    indices = np.broadcast_to(indices, (*lead, *sizes)).astype(np.int64)
    how: dict[str, Any] = {"stride": stride, "padding": padding, "output_size": wanted}
    gradient = r.random() < 0.5
    dtype = r.choice(FLOATS if gradient else pool_cases.DTYPES)
    text = f"max_unpool{rank}d {lead} {sizes} {kernel} {how} {drawn.layout} {dtype}"
    batched = len(lead) == 2
    at = {"indices": drawn.laid(indices)}
    if gradient:
        g = pool_cases.values(r.choice(("normal", "flat")), (*lead, *plane), dtype, rng)
        answer = drawn.answer(ref.grad_max_unpool(g, indices, rank=rank), None, dtype, rank)
        called = drawn.function("max_unpool", grad)
        return Call(
            f"grad.{text}",
            {"grad_out": drawn.laid(g)} | at,
            lambda g, at, **more: called(g, at, layout=drawn.layout, **more),
            (answer,),
            batched,
            takes_out=False,
        )
    x = pool_cases.values(r.choice(("normal", "flat")), indices.shape, dtype, rng)
    answer = drawn.answer(ref.max_unpool(x, indices, kernel, rank=rank, **how), None, dtype, rank)
    called = drawn.function("max_unpool", npconv)
    return Call(
        text,
        {"x": drawn.laid(x)} | at,
        lambda x, at, **more: called(x, at, kernel, layout=drawn.layout, **how, **more),
        (answer,),
        batched,
    )


# ---- convolution -------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Convolution:
    """A drawn layer, batched and channels first, and the form in which its arrays are given."""

    case: Any
    dtype: str
    layout: str
    form: str  # batched, unbatched, single
    data: str

    @property
    def wide(self) -> Any:
        return np.longdouble if self.dtype == "float64" and self.data == "normal" else np.float64

    def array(self, shape: tuple[int, ...], salt: int) -> Array:
        a = self.case.draw(shape, self.dtype, self.data, salt)
        rng = np.random.default_rng([self.case.seed, salt, 6])
        for axis in range(a.ndim) if rng.integers(4) == 0 else ():  # for strides of zero
            if a.size and rng.integers(2):
                a = np.repeat(a.take([0], axis), a.shape[axis], axis)
        return a

    def given(self, a: Array) -> Array:
        """x, grad_out or y as the call has it."""
        if self.form == "single":
            return a[0, 0]
        a = np.moveaxis(a, 1, -1) if self.layout == "channels_last" else a
        return a[0] if self.form == "unbatched" else a

    def weights(self, w: Array) -> Array:
        return w[0, 0] if self.form == "single" else w

    def answer(
        self, operation: Callable[..., Array], arrays: list[Array | None], shape: Callable[[Array], Array]
    ) -> Answer:
        """What operation(*arrays, accumulate=type) gives; the bound of Higham's gamma for normal numbers."""

        def made(changed: Callable[[Array], Array]) -> Array:
            return shape(operation(*(a if a is None else changed(a) for a in arrays), accumulate=self.wide))

        want, size = made(lambda a: a), made(abs)
        if self.data == "integers":
            return Answer(want, np.zeros(()), self.dtype, size)
        terms = float(made(np.ones_like).max(initial=0))
        tiny = np.finfo(self.dtype).tiny
        own = 0 if self.dtype == "float32" else gamma(int(terms) + 2, self.dtype) / 2**10  # the oracle's
        allowed = (gamma(int(terms) + 2, self.dtype) + own) * size + terms * tiny
        return Answer(want, allowed, self.dtype, size)


def drawn_convolution(r: random.Random, draw: Callable[..., Any]) -> Convolution:
    while True:
        case: Sizes = draw(r, narrow=NARROW)
        out = case.grad_shape if isinstance(case, Layer) else case.x_shape
        if math.prod(out) * case.inner * math.prod(case.kernel) <= PRODUCTS:
            break
    if r.random() < 0.03:
        case = dataclasses.replace(case, batch=0)
    form = "batched"
    if case.batch == 1 and r.random() < 0.4:
        form = "single" if case.groups * case.inner == 1 == case.groups * case.outer else "unbatched"
    return Convolution(
        case,
        r.choice(FLOATS),
        r.choice(LAYOUTS),
        form,
        r.choice(("integers", "integers", "integers", "normal")),
    )


def said(drawn: Convolution, name: str) -> str:
    return f"{name} {drawn.case!r} {drawn.data} {drawn.form} {drawn.layout} {drawn.dtype}"


def conv_input(r: random.Random) -> Call:
    drawn = drawn_convolution(r, random_layer)
    c: Layer = drawn.case
    w, g = drawn.array(c.w_shape, 1), drawn.array(c.grad_shape, 2)
    answer = drawn.answer(
        lambda w, g, **how: reference_grad.conv_input(
            c.x_shape, w, g, spatial_rank=c.rank, **c.keywords, **how
        ),
        [w, g],
        drawn.given,
    )
    how = c.keywords | {"layout": drawn.layout}
    x_shape = drawn.given(np.empty(c.x_shape, np.int8)).shape
    called, way = getattr(grad, f"conv{c.rank}d_input"), r.choice(("function", "auto", "gemm", "gemm"))

    def run(w: Array, g: Array, *, num_threads: int | None, out: Array | None = None) -> Any:
        # A plan reads 3 and 3 axes as 1-D.
        if way == "function" or (drawn.form == "single" and c.rank == 3):
            return called(x_shape, w, g, num_threads=num_threads, out=out, **how)
        plan = npconv.plan_conv_input_grad(x_shape, w, algorithm=way, num_threads=num_threads, **how)
        return plan(g, out=out)

    operands = {"w": drawn.weights(w), "grad_out": drawn.given(g)}
    return Call(
        said(drawn, f"grad.conv{c.rank}d_input by {way}"), operands, run, (answer,), drawn.form == "batched"
    )


def weight_gradient(
    r: random.Random, drawn: Convolution, name: str, operation: Callable[..., Array], shapes: list[Any]
) -> Call:
    c = drawn.case
    x, g = drawn.array(shapes[0], 1), drawn.array(shapes[1], 2)
    how = c.keywords | {"layout": drawn.layout}
    answer = drawn.answer(
        lambda x, g, **more: operation(x, g, spatial_rank=c.rank, **c.keywords, **more), [x, g], drawn.weights
    )
    w_shape = drawn.weights(np.empty(c.w_shape, np.int8)).shape
    called, planned = getattr(grad, f"{name}{c.rank}d_weight"), name == "conv" and r.random() < 0.3

    def run(x: Array, g: Array, *, num_threads: int | None, out: Array | None = None) -> Any:
        if not planned or (drawn.form == "single" and c.rank == 3):
            return called(x, w_shape, g, num_threads=num_threads, out=out, **how)
        plan = npconv.plan_conv_weight_grad(
            x.shape, w_shape, dtype=drawn.dtype, num_threads=num_threads, **how
        )
        return plan(x, g, out=out)

    operands = {"x": drawn.given(x), "grad_out": drawn.given(g)}
    return Call(said(drawn, f"grad.{called.__name__}"), operands, run, (answer,), False)


def conv_weight(r: random.Random) -> Call:
    drawn = drawn_convolution(r, random_layer)
    c: Layer = drawn.case

    def operation(x: Array, g: Array, **how: Any) -> Array:
        return reference_grad.conv_weight(x, c.w_shape, g, **how)

    return weight_gradient(r, drawn, "conv", operation, [c.x_shape, c.grad_shape])


def conv_bias(r: random.Random) -> Call:
    drawn = drawn_convolution(r, random_layer)
    c: Layer = drawn.case
    g = drawn.array(c.grad_shape, 2)
    answer = drawn.answer(
        lambda g, **how: reference_grad.conv_bias(g, spatial_rank=c.rank, layout="channels_first", **how),
        [g],
        lambda y: y,
    )
    called = getattr(grad, f"conv{c.rank}d_bias")
    return Call(
        said(drawn, f"grad.{called.__name__}"),
        {"grad_out": drawn.given(g)},
        lambda g: called(g, layout=drawn.layout),
        (answer,),
        False,
        False,
        False,
    )


def conv_transpose(r: random.Random) -> Call:
    drawn = drawn_convolution(r, random_transposed)
    c: Transposed = drawn.case
    x, w = drawn.array(c.x_shape, 1), drawn.array(c.w_shape, 2)
    bias = drawn.array((c.groups * c.inner,), 3) if c.bias else None
    answer = drawn.answer(
        lambda *given, **how: reference_grad.conv_transpose(*given, spatial_rank=c.rank, **c.keywords, **how),
        [x, w, bias],
        drawn.given,
    )
    operands = {"x": drawn.given(x), "w": drawn.weights(w)} | ({} if bias is None else {"bias": bias})
    how = c.keywords | {"layout": drawn.layout, "algorithm": r.choice(("auto", "gemm", "gemm"))}
    called = getattr(npconv, f"conv_transpose{c.rank}d")
    return Call(
        said(drawn, f"conv_transpose{c.rank}d by {how['algorithm']}"),
        operands,
        lambda *given, **more: called(*given, **how, **more),
        (answer,),
        drawn.form == "batched",
    )


def conv_transpose_input(r: random.Random) -> Call:
    drawn = drawn_convolution(r, random_transposed)
    c: Transposed = drawn.case
    w, g = drawn.array(c.w_shape, 1), drawn.array(c.y_shape, 2)
    oracle = reference_grad.conv_transpose_input
    answer = drawn.answer(
        lambda w, g, **how: oracle(c.x_shape, w, g, spatial_rank=c.rank, **c.keywords, **how),
        [w, g],
        drawn.given,
    )
    x_shape = drawn.given(np.empty(c.x_shape, np.int8)).shape
    called = getattr(grad, f"conv_transpose{c.rank}d_input")
    how = c.keywords | {"layout": drawn.layout}
    return Call(
        said(drawn, f"grad.{called.__name__}"),
        {"w": drawn.weights(w), "grad_out": drawn.given(g)},
        lambda w, g, **more: called(x_shape, w, g, **how, **more),
        (answer,),
        drawn.form == "batched",
    )


def conv_transpose_weight(r: random.Random) -> Call:
    drawn = drawn_convolution(r, random_transposed)
    c: Transposed = drawn.case

    def operation(x: Array, g: Array, **how: Any) -> Array:
        return reference_grad.conv_transpose_weight(x, c.w_shape, g, **how)

    return weight_gradient(r, drawn, "conv_transpose", operation, [c.x_shape, c.y_shape])


# ---- one call ----------------------------------------------------------------------------------------------

KINDS: dict[Callable[[random.Random], Call], int] = {  # and how often
    pooling: 5, pooling_gradient: 7, columns: 2, unpooling: 2, conv_input: 4, conv_weight: 4, conv_bias: 1,
    conv_transpose: 3, conv_transpose_input: 2, conv_transpose_weight: 2,
}  # fmt: skip


def draw(seed: str) -> Call:
    r = random.Random(seed)
    kind = r.choices(list(KINDS), list(KINDS.values()))[0]
    return kind(r)


@dataclasses.dataclass(frozen=True)
class Way:
    """How a call is made, whatever the instruction set."""

    memory: tuple[str, ...]  # of each operand
    side: int
    with_out: bool
    threads: int | None
    small_tiles: bool
    seed: int


def draw_way(seed: str, call: Call, guarded: bool) -> Way:
    r = random.Random(f"{seed} way")
    names = (*NAMES, "mixed", "mixed")
    return Way(
        tuple(r.choice(names) for _ in call.operands),
        r.choice((1, 2)) if guarded else NONE,
        r.random() < 0.5,
        r.choice((None, 1, 1, 2, 3)),
        r.random() < 0.4,
        r.randrange(2**31),
    )


def check(call: Call, way: Way, isa: str) -> str | None:
    """What is wrong with npconv's answer, or None."""
    rng = np.random.default_rng(way.seed)
    given = [place(a, how, rng, way.side) for a, how in zip(call.operands.values(), way.memory, strict=True)]
    first = call.answers[0]
    result = None
    more: dict[str, Any] = {"num_threads": way.threads} if call.takes_threads else {}
    if call.takes_out and way.with_out:
        result = Result(first.want.shape, first.dtype, call.batched, rng, way.side)
        more["out"] = result.out
    before = [memory_of(a).copy() for a in given]
    runs = _core._kernel_runs().get("winograd", 0)
    _core._set_guard_pages(way.side)
    try:
        with cases.forced(isa), cases.small_tiles(way.small_tiles):
            got = call.function(*given, **more)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        _core._set_guard_pages(NONE)
    winograd = _core._kernel_runs().get("winograd", 0) > runs
    results = got if isinstance(got, tuple) else (got,)
    if len(results) != len(call.answers):
        return f"there are {len(results)} results, expected {len(call.answers)}"
    for i, (answer, y) in enumerate(zip(call.answers, results, strict=True)):
        problem = answer.problem(y, winograd)
        if problem:
            return problem if len(results) == 1 else f"result {i}: {problem}"
    for name, a, memory in zip(call.operands, given, before, strict=True):
        if not np.array_equal(memory_of(a), memory):
            return f"{name} was changed"
    if result is not None:
        return "the result is not out" if results[0] is not result.out else result.damage()
    return None


def memory_of(a: Array) -> Array:
    """All bytes of the block of a placed array."""
    base = a
    while isinstance(base.base, np.ndarray):
        base = base.base
    return base


def described(seed: str, call: Call, way: Way, isa: str) -> str:
    """A line: what reproduces the call, and what it is."""
    shapes = ", ".join(
        f"{name} {a.shape} {how}" for (name, a), how in zip(call.operands.items(), way.memory, strict=True)
    )
    unguarded = "" if way.side else " --plain-memory"
    return f"python tests/fuzz_gradients.py --only {seed} --isa {isa}{unguarded}  # {call.text}; {shapes}"
