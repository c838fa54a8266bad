# SPDX-License-Identifier: BSD-3-Clause
"""A script that pools arrays between inaccessible pages, and takes gradients: one element too far is a fault.

python tests/guarded_pool.py ISA CASES SEED    runs random cases and ends with "guarded cases: N"
"""

from __future__ import annotations

import random
import sys
from typing import Any

import cases
import numpy as np
import pool_cases
from arrangements import AFTER, BEFORE, NAMES, Result, place
from pool_cases import EXTREMA, FLOATS, GLOBAL, LAYOUTS, PLACED, Pool
from pool_check import difference
from reference import Array


def placed(a: Array, side: int) -> Array:
    """A copy of `a` with an inaccessible page right after its last or right before its first byte."""
    return place(a, "plain", np.random.default_rng(0), side)


def blank(shape: tuple[int, ...], dtype: str, side: int) -> Array:
    """An `out` of that shape, every byte of it 0xA5."""
    return Result(shape, dtype, False, np.random.default_rng(0), side).out


class Run:
    """One case, with every array and workspace against a guard page."""

    def __init__(self, case: Pool, isa: str, dtype: str, layout: str, side: int) -> None:
        self.case, self.isa, self.dtype, self.layout, self.side = case, isa, dtype, layout, side
        self.last = layout == "channels_last" and not case.single
        self.rng = np.random.default_rng([case.seed, 4])
        self.axes = 0 if case.op in GLOBAL and not case.keepdims else case.rank

    def laid(self, a: Array, axes: int) -> Array:
        return np.ascontiguousarray(np.moveaxis(a, -1 - axes, -1)) if self.last else a

    def input(self) -> Array:
        x = self.laid(pool_cases.input_of(self.case, self.dtype), self.case.rank)
        return self.arranged(x)

    def arranged(self, a: Array) -> Array:
        """Each operand in memory of its own order."""
        return place(a, str(self.rng.choice(("plain", *NAMES, "mixed"))), self.rng, self.side)

    def call(self, function: Any, *arguments: Any, **keywords: Any) -> Any:
        from npconv import _core

        _core._set_guard_pages(self.side)
        try:
            with cases.forced(self.isa):
                return function(*arguments, layout=self.layout, **keywords)
        finally:
            _core._set_guard_pages(0)

    def compare(self, y: Any, want: Array, allowed: Array | None, axes: int) -> None:
        y = np.asarray(y)
        problem = difference(np.moveaxis(y, -1, -1 - axes) if self.last and axes else y, want, allowed)
        assert problem is None, f"{problem} for {self.case!r}"

    def forward(self) -> None:
        import npconv

        case, solution = self.case, pool_cases.solve(self.case, self.dtype)
        x = self.input()
        out = blank(self.laid(solution.y, self.axes).shape, self.dtype, self.side)
        function = getattr(npconv, f"{case.op}_pool{case.rank}d")
        more: dict[str, Any] = case.keywords | {"num_threads": 2, "out": out}
        y = self.call(function, x, *case.arguments, **more)
        self.compare(y, solution.y, solution.allowed, self.axes)
        if case.op in PLACED:
            y, indices = self.call(function, x, *case.arguments, return_indices=True, **more)
            assert solution.indices is not None
            self.compare(y, solution.y, None, self.axes)
            self.compare(indices, solution.indices, None, self.axes)

    def backward(self) -> None:
        from npconv import grad

        case, solution = self.case, pool_cases.solve_gradient(self.case, self.dtype)
        y_shape = pool_cases.solve(case, self.dtype).y.shape
        g = self.laid(pool_cases.gradient_of(case, y_shape, self.dtype), self.axes)
        g, x = self.arranged(g), self.input()
        more: dict[str, Any] = case.keywords | {
            "num_threads": 2,
            "out": blank(x.shape, self.dtype, self.side),
        }
        arguments: tuple[Any, ...] = (x.shape,)
        if case.op in PLACED:
            assert solution.indices is not None
            arguments, more = (self.arranged(self.laid(solution.indices, case.rank)), x.shape), {}
        elif case.op in ("lp", "global_max"):
            arguments = (x, *case.arguments)
        elif case.op == "avg":
            arguments = (x.shape, *case.arguments)
        y = self.call(getattr(grad, f"{case.op}_pool{case.rank}d"), g, *arguments, **more)
        self.compare(y, solution.y, solution.allowed, case.rank)

    def unfold(self) -> None:
        """unfold and fold, unpooling and its gradient, on the windows of the case."""
        import npconv
        from npconv import grad

        case = self.case
        x = self.input()
        rank: Any = {
            name: getattr(npconv, f"{name}{case.rank}d") for name in ("unfold", "fold", "max_unpool")
        }
        how: Any = {"padding": case.padding, "dilation": case.dilation}
        columns = self.arranged(self.call(rank["unfold"], x, case.size, **how))
        folded = self.call(rank["fold"], columns, case.spatial, case.size, **how)
        assert folded.size == x.size
        solution = pool_cases.solve(case, self.dtype)
        assert solution.indices is not None
        if case.stride is None and (solution.indices >= 0).all():
            y = self.arranged(self.laid(solution.y, case.rank))
            indices = self.arranged(self.laid(solution.indices, case.rank))
            sizes = tuple(case.spatial)
            try:
                back = self.call(
                    rank["max_unpool"], y, indices, case.size, padding=case.padding, output_size=sizes
                )
            except ValueError:
                return  # further from the default size than unpooling allows
            again = self.call(getattr(grad, f"max_unpool{case.rank}d"), self.arranged(back), indices)
            assert difference(again, self.laid(solution.y, case.rank), None) is None, case


def main() -> None:
    isa, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    r = random.Random(seed)
    for i in range(count):
        case = pool_cases.for_gradient(pool_cases.random_pool(r, taps=10_000))
        layout, side = LAYOUTS[i // 2 % 2], (AFTER, BEFORE)[i // 4 % 2]
        dtype = r.choice(pool_cases.DTYPES) if case.op in EXTREMA else r.choice(FLOATS)
        # Said first: a fault leaves no other trace.
        print(f"Run({case!r}, {isa!r}, {dtype!r}, {layout!r}, {side})", file=sys.stderr, flush=True)
        Run(case, isa, dtype, layout, side).forward()
        run = Run(case, isa, r.choice(FLOATS), layout, side)
        run.backward()
        if case.op == "max" and not case.ceil:
            run.unfold()
    print(f"guarded cases: {count}")


if __name__ == "__main__":
    main()
