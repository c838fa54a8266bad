# SPDX-License-Identifier: BSD-3-Clause
"""`check`, which runs npconv on a case of pool_cases.py, and `check_gradient`, which runs its gradient.

They compare one call (instruction set, dtype, layout, memory of the arguments) with the oracle of
reference_pool.py, and fail with one line that reproduces it:

    cd tests && python -c "from pool_check import *; check(Pool('max', (5, 7), (3, 3)), isa='avx2')"
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
from typing import Any

import cases
import numpy as np
from arrangements import Result, place
from pool_cases import (
    DTYPES,
    FLOATS,
    GLOBAL,
    LAYOUTS,
    PLACED,
    Pool,
    gradient_of,
    input_of,
    solve,
    solve_gradient,
    word_of,
)
from reference import Array

# ---- memory of the arguments -------------------------------------------------------------------------------

VIEWS = ("plain", "fortran", "strided", "swapped", "misaligned", "repeated", "mixed")


# ---- comparing ---------------------------------------------------------------------------------------------


def difference(y: Any, want: Array, allowed: Array | None) -> str | None:
    """What is wrong with y, in words, or None. Without `allowed` all bits count, of NaN and zeros too."""
    y, want = np.asarray(y), np.asarray(want)
    if y.shape != want.shape:
        return f"shape is {y.shape}, expected {want.shape}"
    if allowed is None:
        word = word_of(want.dtype)
        wrong = np.ascontiguousarray(y).view(word) != np.ascontiguousarray(want).view(word)
        limit = ""
    else:
        with np.errstate(invalid="ignore", over="ignore"):
            near = np.abs(y - want) <= np.where(np.isfinite(want), allowed, 0)
        # What no float32 can hold is rounded to infinity, and rightly so.
        wrong = ~(near | (y == want) | (np.isnan(y) & np.isnan(want)) | (y == want.astype(y.dtype)))
        if near.shape and not wrong.any():
            return None
    wrong = np.atleast_1d(wrong.reshape(want.shape))
    if not wrong.any():
        return None
    at = tuple(int(i) for i in np.argwhere(wrong)[0])[: want.ndim]
    if allowed is not None:
        limit = f", allowed error {float(np.broadcast_to(allowed, want.shape)[at]):.3g}"
    return f"{wrong.sum()} of {wrong.size} wrong, first at {at}: {y[at]!r}, expected {want[at]!r}{limit}"


# ---- running npconv ----------------------------------------------------------------------------------------

FORMS = ("call", "typed", "out")


@dataclasses.dataclass(frozen=True)
class Call:
    """How npconv is called on a case."""

    isa: str | None = None  # None: the instruction set that is in use
    dtype: str = "float32"
    layout: str = "channels_first"
    form: str = "call"  # FORMS: by keyword, in other types, with `out`
    view: str = "plain"  # VIEWS
    threads: int | None = None
    indices: bool = True  # of PLACED

    def __str__(self) -> str:
        fields = [(f, getattr(self, f.name)) for f in dataclasses.fields(self)]
        return "".join(f", {f.name}={v!r}" for f, v in fields if v != f.default)


def _typed(value: Any) -> Any:
    """The same argument in other types that the API takes: NumPy's numbers, lists for tuples, np.bool_."""
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return np.int16(value)
    if isinstance(value, float):
        return np.float64(value)
    return [_typed(v) for v in value] if isinstance(value, tuple) else value


def check(case: Pool, **call: Any) -> None:
    """Run npconv on a case in one way, the fields of `Call`; an error tells the line that reproduces it."""
    _checked("check", _forward, case, Call(**call))


def check_gradient(case: Pool, **call: Any) -> None:
    """The same for the gradient."""
    _checked("check_gradient", _backward, case, Call(**call))


def _checked(name: str, run: Any, case: Pool, how: Call) -> None:
    try:
        with cases.forced(how.isa) if how.isa else contextlib.nullcontext():
            problem = run(case, how)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise AssertionError(f"{problem}\n    {name}({case!r}{how})")


class _Frame:
    """What the forward and the backward call share: the layout, the memory of the arguments, the out."""

    def __init__(self, case: Pool, how: Call) -> None:
        self.case, self.how = case, how
        self.last = how.layout == "channels_last" and not case.single
        self.rng = np.random.default_rng([case.seed, 2])
        self.canvas: Result | None = None

    def laid(self, a: Array, axes: int) -> Array:
        """Channels first -> the layout of the call; `axes`: how many of them are spatial."""
        return np.moveaxis(a, -1 - axes, -1) if self.last else a

    def given(self, a: Array, axes: int) -> Array:
        return place(self.laid(a, axes), self.how.view, self.rng)

    def keywords(self) -> dict[str, Any]:
        keywords = self.case.keywords
        if self.how.form == "typed":
            keywords = {name: _typed(v) for name, v in keywords.items()}
        return keywords | {"layout": self.how.layout, "num_threads": self.how.threads}

    def arguments(self) -> tuple[Any, ...]:
        return _typed(self.case.arguments) if self.how.form == "typed" else self.case.arguments

    def out_for(self, want: Array, axes: int) -> Array:
        shape = self.laid(want, axes).shape
        batched = self.case.batch is not None and not self.case.single
        self.canvas = Result(shape, self.how.dtype, batched, self.rng)
        return self.canvas.out

    def wrong(self, y: Any, want: Array, allowed: Array | None, axes: int, dtype: str) -> str | None:
        if not isinstance(y, np.ndarray | np.generic) or y.dtype != np.dtype(dtype) or not y.dtype.isnative:
            return f"the result is {type(y).__name__} of {getattr(y, 'dtype', None)}"
        y = np.asarray(y)
        back = np.moveaxis(y, -1, -1 - axes) if self.last and y.ndim == want.ndim else y
        return difference(back, want, allowed)

    def damage(self, y: Any) -> str | None:
        if self.canvas is None:
            return None
        return "the result is not out" if y is not self.canvas.out else self.canvas.damage()


def _forward(case: Pool, how: Call) -> str | None:
    """What is wrong with npconv's result, or None."""
    import npconv

    frame, solution = _Frame(case, how), solve(case, how.dtype)
    axes = 0 if case.op in GLOBAL and not case.keepdims else case.rank
    x = frame.given(input_of(case, how.dtype), case.rank)
    keywords = frame.keywords()
    if how.form == "out":
        keywords["out"] = frame.out_for(solution.y, axes)
    with_indices = case.op in PLACED and how.indices
    if with_indices:
        keywords["return_indices"] = True
    y = getattr(npconv, f"{case.op}_pool{case.rank}d")(x, *frame.arguments(), **keywords)
    if with_indices:
        if not isinstance(y, tuple) or len(y) != 2:
            return f"the result is {type(y).__name__}, expected (values, indices)"
        y, places = y
        assert solution.indices is not None
        problem = frame.wrong(places, solution.indices, None, axes, "int64")
        if problem:
            return f"indices: {problem}"
    return frame.wrong(y, solution.y, solution.allowed, axes, how.dtype) or frame.damage(y)


def _backward(case: Pool, how: Call) -> str | None:
    from npconv import grad

    frame, solution = _Frame(case, how), solve_gradient(case, how.dtype)
    axes = 0 if case.op in GLOBAL and not case.keepdims else case.rank
    y_shape = solve(case, how.dtype).y.shape
    g = frame.given(gradient_of(case, y_shape, how.dtype), axes)
    shape: Any = frame.laid(np.empty(case.x_shape, np.int8), case.rank).shape
    keywords = frame.keywords()
    if how.form == "typed":
        shape = _typed(shape)
    if case.op in PLACED:
        assert solution.indices is not None
        arguments: tuple[Any, ...] = (frame.given(solution.indices, case.rank), shape)
        keywords = {"layout": how.layout}
    elif case.op in ("lp", "global_max"):
        arguments = (frame.given(input_of(case, how.dtype), case.rank), *frame.arguments())
    else:
        arguments = (shape, *frame.arguments()) if case.op == "avg" else (shape,)
    if how.form == "out" and case.op not in PLACED:
        keywords["out"] = frame.out_for(solution.y, case.rank)
    y = getattr(grad, f"{case.op}_pool{case.rank}d")(g, *arguments, **keywords)
    return frame.wrong(y, solution.y, solution.allowed, case.rank, how.dtype) or frame.damage(y)


def ways(r: random.Random, case: Pool) -> dict[str, Any]:
    """A random way to call npconv for `check`, but the instruction set."""
    return {
        "dtype": r.choice(DTYPES if case.extreme else FLOATS),
        "layout": r.choice(LAYOUTS),
        "form": r.choice(FORMS),
        "view": r.choice(VIEWS),
        "threads": r.choice((None, 1, 2, 3)),
        "indices": r.random() < 0.6,
    }
