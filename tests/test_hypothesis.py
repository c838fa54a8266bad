# SPDX-License-Identifier: BSD-3-Clause
"""Hypothesis over all arguments of conv{N}d and plan_conv: every example runs on every instruction set.

Data are integers, so that results are exact (transcendental activations: within 4 ULP). A second run has NaN
and infinities among them, which must reach exactly the outputs that the definition says.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import cases
import reference
from cases import Case, check
from hypothesis import given, note, settings
from hypothesis import strategies as st
from npconv import _core

EXAMPLES = 1_000
ran: Counter[str] = Counter()


@st.composite
def any_case(draw: Any, data: tuple[str, ...]) -> Case:
    """A valid case over all arguments; it shrinks towards one pixel, one tap, no extras."""
    rank = draw(st.integers(1, 3))

    def axes(values: Any) -> tuple[int, ...]:
        return tuple(draw(values) for _ in range(rank))

    def one_or_each(values: Any) -> Any:
        return draw(values) if draw(st.booleans()) else axes(values)

    kernel = axes(st.integers(1, 5 if rank < 3 else 3))
    stride, dilation = one_or_each(st.integers(1, 4)), one_or_each(st.integers(1, 4))
    form = draw(st.sampled_from(("int", "pairs", *cases.PADDING_NAMES)))
    padding: Any = form
    if form == "int":
        padding = one_or_each(st.integers(0, 9))
    elif form == "pairs":
        padding = tuple((draw(st.integers(0, 5)), draw(st.integers(0, 5))) for _ in range(rank))
    mode = draw(st.sampled_from(cases.MODES))

    extents = [d * (k - 1) + 1 for k, d in zip(kernel, reference.per_axis(dilation, rank), strict=True)]
    if form == "valid":
        least = extents
    elif isinstance(padding, str):
        least = [1] * rank
    else:
        pads = reference.paddings(padding, [0] * rank, kernel)
        least = [max(1, extent - sum(pad)) for extent, pad in zip(extents, pads, strict=True)]
    spatial = tuple(n + draw(st.integers(0, 9 if rank < 3 else 4)) for n in least)

    kind: dict[str, Any] = {
        "data": draw(st.sampled_from(data)),
        "seed": draw(st.integers(0, 2**16)),
        "flip": draw(st.booleans()),
        "bias": draw(st.booleans()),
        "residual": draw(st.booleans()),
        "activation": draw(st.sampled_from((None, *cases.EXACT_ACTIVATIONS, *cases.INEXACT_ACTIVATIONS))),
    }
    if draw(st.integers(0, 15)) == 15:
        return Case(spatial, kernel, None, 1, 1, 1, stride, padding, dilation, mode, single=True, **kind)
    groups = draw(st.integers(1, 4))
    cin, cout = draw(st.integers(1, 9)) * groups, draw(st.integers(1, 20)) * groups
    batch = draw(st.sampled_from((1, 2, 3, None, 0)))
    return Case(spatial, kernel, batch, cin, cout, groups, stride, padding, dilation, mode, **kind)


calls = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(cases.DTYPES),
        "layout": st.sampled_from(cases.LAYOUTS),
        "form": st.sampled_from(cases.FORMS),
        "view": st.sampled_from(cases.VIEWS),
        "algorithm": st.sampled_from(("gemm", "gemm", "auto", "naive")),
        "threads": st.sampled_from((None, 1, 2, 3)),
    }
)


def on_every_isa(case: Case, call: dict[str, Any]) -> None:
    """The same call on all instruction sets, compared with one solution of the oracle."""
    note(repr(case))
    solution = cases.solve(case, call["dtype"])
    for isa in _core._isa_names():
        check(case, isa=isa, solution=solution, **call)
        ran[isa] += 1


@settings(max_examples=EXAMPLES)
@given(any_case(data=("ints", "flat")), calls)
def all_arguments(case: Case, call: dict[str, Any]) -> None:
    on_every_isa(case, call)


@settings(max_examples=EXAMPLES)
@given(any_case(data=("nonfinite",)), calls)
def nan_and_infinity(case: Case, call: dict[str, Any]) -> None:
    on_every_isa(case, call)


def examples_of(test: Any) -> int:
    """Run a Hypothesis test; the smallest number of examples that an instruction set has seen."""
    ran.clear()
    test()
    return min(ran[isa] for isa in _core._isa_names())


def test_all_arguments() -> None:
    assert examples_of(all_arguments) >= EXAMPLES


def test_nan_and_infinity_stay_where_they_belong() -> None:
    assert examples_of(nan_and_infinity) >= EXAMPLES
