# SPDX-License-Identifier: BSD-3-Clause
"""Hypothesis over all arguments of the pooling functions: every example runs on every instruction set.

Forward and, with other data where it has to be, the gradient; compared as in test_pool_exact.py.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import cases
import pool_cases
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from npconv import _core
from pool_cases import Pool
from pool_check import FORMS, VIEWS, check, check_gradient
from reference import per_axis

EXAMPLES = 350
ran: Counter[str] = Counter()


@st.composite
def any_pool(draw: Any) -> Pool:
    """A case over all arguments; it shrinks towards one pixel, one tap, no extras."""
    op, rank = draw(st.sampled_from(pool_cases.OPS)), draw(st.integers(1, 3))

    def axes(values: Any) -> tuple[int, ...]:
        return tuple(draw(values) for _ in range(rank))

    def one_or_each(values: Any) -> Any:
        return draw(values) if draw(st.booleans()) else axes(values)

    kind = "max" if op in pool_cases.EXTREMA else "lp" if op == "lp" else "avg"
    common: dict[str, Any] = {
        "data": draw(st.sampled_from(pool_cases.KINDS[kind])),
        "seed": draw(st.integers(0, 2**16)),
    }
    if draw(st.integers(0, 15)) == 15:
        common["single"] = True
    else:
        common["channels"] = draw(st.integers(1, 9))
        common["batch"] = draw(st.sampled_from((1, 2, 3, None, 0)))
    spatial = axes(st.integers(1, 15 if rank < 3 else 6))
    if op in pool_cases.GLOBAL:
        return Pool(op, spatial, keepdims=draw(st.booleans()), **common)
    if op in pool_cases.ADAPTIVE:
        entry: Any = st.integers(1, 9 if rank < 3 else 4)
        size = draw(entry) if draw(st.booleans()) else axes(st.one_of(entry, st.none()))
        return Pool(op, spatial, size, **common)

    kernel = one_or_each(st.integers(1, 6 if rank < 3 else 3))
    dilation = one_or_each(st.integers(1, 4))
    stride = draw(st.none()) if draw(st.booleans()) else one_or_each(st.integers(1, 5))
    reach = [d * (k - 1) for k, d in zip(per_axis(kernel, rank), per_axis(dilation, rank), strict=True)]
    padding: Any = draw(st.sampled_from(("none", "int", "pairs", *cases.PADDING_NAMES)))
    if padding == "none":
        padding = 0
    elif padding == "int":
        padding = draw(st.integers(0, min(reach)))
    elif padding == "pairs":
        padding = tuple((draw(st.integers(0, r)), draw(st.integers(0, r))) for r in reach)
    how: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    how["ceil"] = draw(st.booleans())
    if op == "avg":
        how["include"] = draw(st.booleans())
        how["divisor"] = draw(st.sampled_from((None, None, 1, 4, -3)))
    if op == "lp":
        how["norm"] = draw(st.sampled_from(pool_cases.NORMS))
    return Pool(op, spatial, kernel, **how, **common)


calls = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(pool_cases.DTYPES),
        "layout": st.sampled_from(pool_cases.LAYOUTS),
        "form": st.sampled_from(FORMS),
        "view": st.sampled_from(VIEWS),
        "threads": st.sampled_from((None, 1, 2, 3)),
        "indices": st.booleans(),
    }
)


def valid(case: Pool) -> bool:
    try:
        return case.taps <= 20_000
    except ValueError:  # no window fits
        return False


@settings(max_examples=EXAMPLES)
@given(any_pool(), calls)
def all_arguments(case: Pool, call: dict[str, Any]) -> None:
    assume(valid(case))
    note(repr(case))
    if not case.extreme:
        call = call | {"dtype": pool_cases.FLOATS[pool_cases.DTYPES.index(call["dtype"]) % 2]}
    smooth, real = pool_cases.for_gradient(case), call["dtype"] in pool_cases.FLOATS
    for isa in _core._isa_names():
        check(case, isa=isa, **call)
        if real:
            check_gradient(smooth, isa=isa, **call)
        ran[isa] += 1


def test_all_arguments() -> None:
    ran.clear()
    all_arguments()
    assert min(ran[isa] for isa in _core._isa_names()) >= EXAMPLES
