# SPDX-License-Identifier: BSD-3-Clause
"""Transposed convolutions and gradients of arrays between inaccessible pages: one element too far is a fault.

python tests/guarded_adjoint.py ISA CASES SEED    runs random cases and ends with "guarded cases: N"
"""

from __future__ import annotations

import random
import sys
from typing import Any

import cases
import npconv
import numpy as np
import pretended
import reference_grad
from grad_cases import exact_input_gradient, random_layer, random_transposed, to_layout
from guarded import AFTER, BEFORE, copy, guarded
from npconv import _core
from reference import Array


def transposed(r: random.Random, dtype: str, layout: str, side: int, small: bool) -> None:
    c = random_transposed(r)
    x, w = to_layout(c.draw(c.x_shape, dtype, "integers", 0), layout), c.draw(c.w_shape, dtype, "integers", 1)
    bias = c.draw((c.groups * c.inner,), dtype, "integers", 2) if c.bias else None
    how: dict[str, Any] = c.keywords | {"layout": layout}
    want = reference_grad.conv_transpose(x, w, bias, spatial_rank=c.rank, **how)
    out = guarded(want.shape, dtype, side)
    function = getattr(npconv, f"conv_transpose{c.rank}d")
    given = [copy(a, dtype, side) for a in (x, w, bias)]
    algorithm = "gemm" if max(c.stride) == 1 else "auto"
    run(lambda: function(*given, out=out, num_threads=2, algorithm=algorithm, **how), side, small)
    assert np.array_equal(out, want), c


def gradients(r: random.Random, dtype: str, layout: str, side: int, small: bool) -> None:
    c = random_layer(r)
    x, g = (
        to_layout(c.draw(shape, dtype, "integers", salt), layout)
        for salt, shape in enumerate((c.x_shape, c.grad_shape))
    )
    w = c.draw(c.w_shape, dtype, "integers", 2)
    how: dict[str, Any] = c.keywords | {"layout": layout}
    px, pw, pg = (copy(a, dtype, side) for a in (x, w, g))
    outs = [guarded(a.shape, dtype, side) for a in (x, w)]
    weights = getattr(npconv.grad, f"conv{c.rank}d_weight")
    run(lambda: exact_input_gradient(x.shape, pw, pg, out=outs[0], num_threads=2, **how), side, small)
    run(lambda: weights(px, w.shape, pg, out=outs[1], num_threads=2, **how), side, small)
    assert np.array_equal(outs[0], reference_grad.conv_input(x.shape, w, g, spatial_rank=c.rank, **how)), c
    assert np.array_equal(outs[1], reference_grad.conv_weight(x, w.shape, g, spatial_rank=c.rank, **how)), c


def run(call: Any, side: int, small: bool) -> Array:
    _core._set_guard_pages(side)
    try:
        with cases.small_tiles(small):
            result: Array = call()
    finally:
        _core._set_guard_pages(0)
    return result


def main(isa: str, count: int, seed: int) -> None:
    pretended.inherit()
    r = random.Random(seed)
    with cases.forced(isa):
        for i in range(count):
            kind = transposed if i % 2 else gradients
            kind(
                r,
                cases.DTYPES[i // 2 % 2],
                cases.LAYOUTS[i // 4 % 2],
                (AFTER, BEFORE)[i // 8 % 2],
                i % 3 == 0,
            )
    print(f"guarded cases: {count}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
