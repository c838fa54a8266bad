# SPDX-License-Identifier: BSD-3-Clause
"""Arrays between inaccessible pages, and a script that convolves them: one element too far is a fault.

python tests/guarded.py ISA CASES SEED [ALGORITHM]    runs random cases and ends with "guarded cases: N"
"""

from __future__ import annotations

import math
import random
import sys

import cases
import numpy as np
import pretended
from arrangements import AFTER, BEFORE, block
from reference import Array


def guarded(shape: tuple[int, ...], dtype: str, side: int) -> Array:
    """An array full of NaN, with an inaccessible page right after its last or right before its first byte."""
    array = block(math.prod(shape) * np.dtype(dtype).itemsize, side).view(dtype).reshape(shape)
    array[...] = np.nan
    return array


def copy(a: Array | None, dtype: str, side: int) -> Array | None:
    if a is None:
        return None
    result = guarded(a.shape, dtype, side)
    result[...] = a
    return result


def run(
    case: cases.Case,
    isa: str,
    dtype: str,
    layout: str,
    side: int,
    algorithm: str = "auto",
    solution: cases.Solution | None = None,
) -> None:
    """One case with every array, workspace and packed weights against a guard page."""
    import npconv
    from npconv import _core

    solution = solution or cases.solve(case, dtype)
    data = cases.arrays(case)
    last = layout == "channels_last" and not case.single

    def placed(a: Array | None) -> Array | None:
        return copy(np.moveaxis(a, -1 - case.rank, -1) if last and a is not None else a, dtype, side)

    x, residual = placed(data.x), placed(data.residual)
    w, bias = copy(data.w, dtype, side), copy(data.bias, dtype, side)
    out = placed(np.full(solution.y.shape, np.nan))
    _core._set_guard_pages(side)
    try:
        with cases.forced(isa), cases.small_tiles(case.seed % 2 == 0):
            conv = getattr(npconv, f"conv{case.rank}d")
            keywords = dict(case.keywords, layout=layout, algorithm=algorithm)
            y = conv(x, w, bias, residual=residual, out=out, num_threads=2, **keywords)
    finally:
        _core._set_guard_pages(0)
    problem = cases.difference(np.moveaxis(y, -1, -1 - case.rank) if last else y, solution, case)
    assert problem is None, f"{problem} for {case!r}"


def main() -> None:
    pretended.inherit()
    isa, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    algorithm = sys.argv[4] if len(sys.argv) > 4 else "gemm"
    draws = {"depthwise": cases.random_depthwise_case, "direct": cases.random_direct_case}
    draw = draws.get(algorithm, cases.random_case)
    r = random.Random(seed)
    for i in range(count):
        case = draw(r, inexact=True)
        dtype, layout, side = cases.DTYPES[i % 2], cases.LAYOUTS[i // 2 % 2], (AFTER, BEFORE)[i // 4 % 2]
        # Said first: a fault leaves no other trace.
        print(
            f"run({case!r}, {isa!r}, {dtype!r}, {layout!r}, {side}, {algorithm!r})",
            file=sys.stderr,
            flush=True,
        )
        # Not "auto": with small tiles gemm may look so slow that Winograd is chosen, which is not exact.
        run(case, isa, dtype, layout, side, algorithm)
    print(f"guarded cases: {count}")


if __name__ == "__main__":
    main()
