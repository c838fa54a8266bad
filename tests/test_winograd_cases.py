# SPDX-License-Identifier: BSD-3-Clause
"""Random cases of Winograd over all arguments that it can serve, each on every instruction set.

Within what Winograd errs on random data, in terms of the tile that an output lies in; the bound that holds
for all data is far above that (test_winograd_accuracy.py). F(2x2, 3x3) on small integers bit for bit.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import cases
import npconv
import numpy as np
import pytest
import reference
from cases import Case
from npconv import _core
from winograd_cases import ALGORITHMS, check, check_twice, random_cases, solve

COUNT = 300  # random cases of an algorithm, on each instruction set

# Sizes around whole tiles of 2, 4 and 6, around vectors of channels, and maps smaller than the kernel.
EVERY: Any = {"cin": 5, "cout": 9, "bias": True, "residual": True, "activation": ("leaky_relu", 0.25)}
NAMED = {
    "maps of every size up to two tiles": [
        Case((h, w), (3, 3), padding=1, cin=3, cout=5, bias=True)
        for h, w in [(n, m) for n in range(1, 14) for m in (n, 13 - n) if m]
    ],
    "one output": [Case((3, 3), (3, 3), **EVERY), Case((1, 1), (3, 3), padding=1, **EVERY)],
    "strips": [Case((1, 40), (3, 3), padding=1, **EVERY), Case((3, 40), (3, 3), **EVERY),
               Case((40, 1), (3, 3), padding="same", **EVERY), Case((41, 3), (3, 3), **EVERY)],
    "channels in around a vector": [
        Case((6, 7), (3, 3), padding=1, cin=n, cout=3) for n in (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33)
    ],
    "channels out around a vector and a panel": [
        Case((6, 7), (3, 3), padding=1, cin=2, cout=n, bias=True)
        for n in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 49, 63, 64, 65, 127, 128, 129)
    ],
    "channels around a k block": [
        Case((4, 5), (3, 3), padding=1, cin=n, cout=7, residual=True)
        for n in (127, 128, 129, 255, 256, 257, 513)
    ],
    "groups": [
        Case((5, 9), (3, 3), padding=1, cin=g * i, cout=g * o, groups=g, bias=True)
        for g, i, o in ((3, 5, 7), (5, 3, 1), (2, 33, 17), (7, 1, 9), (3, 9, 65), (17, 1, 1), (9, 1, 3))
    ],
    "more padding than input": [
        Case(size, (3, 3), padding=7, mode=mode, **EVERY)
        for size in ((1, 1), (2, 3), (5, 1))
        for mode in cases.MODES
    ],
    "uneven padding": [
        Case((6, 7), (3, 3), padding=padding, mode=mode, **EVERY)
        for padding in (((0, 3), (2, 0)), ((5, 0), (0, 1)), ((0, 0), (0, 9)), ((2, 1), (1, 2)))
        for mode in cases.MODES
    ],
    "windows of padding alone": [Case((2, 3), (3, 3), padding=((9, 0), (0, 8)), **EVERY)],
    "named paddings": [
        Case((7, 8), (3, 3), padding=name, mode=mode, **EVERY)
        for name, mode in zip(cases.PADDING_NAMES[1:], cases.MODES, strict=True)
    ],
    "many images": [Case((2, 3), (3, 3), batch=n, padding=1, **EVERY) for n in (7, 31, 113)],
    "flipped": [Case((9, 10), (3, 3), padding=mode, flip=True, **EVERY) for mode in ("valid", "full")],
    "every activation": [
        Case((7, 6), (3, 3), padding=1, activation=a, cin=3, cout=9, bias=True)
        for a in cases.EXACT_ACTIVATIONS + cases.INEXACT_ACTIVATIONS
    ],
}  # fmt: skip


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_random_cases(isa: str, algorithm: str) -> None:
    for i, case in enumerate(random_cases(ALGORITHMS[algorithm], COUNT)):
        check_twice(case, algorithm, isa, i)


def test_random_integers_bit_for_bit(isa: str) -> None:
    for data in ("ints", "flat", "nonfinite"):
        for i, case in enumerate(random_cases(7, COUNT // 2, data)):
            check_twice(case, "winograd_f2", isa, i)


@pytest.mark.parametrize("reason", NAMED)
def test_named_cases(isa: str, reason: str) -> None:
    for i, case in enumerate(NAMED[reason]):
        for algorithm in ALGORITHMS:
            data = "ints" if algorithm == "winograd_f2" else "normal"
            check_twice(dataclasses.replace(case, data=data), algorithm, isa, i)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_form_and_memory(isa: str, algorithm: str) -> None:
    """All forms x views x dtypes x layouts on a few cases."""
    for case in random_cases(11, 3, "normal"):
        for dtype in cases.DTYPES:
            solution = solve(case, dtype, algorithm)
            for layout in cases.LAYOUTS:
                for i, form in enumerate(cases.FORMS):
                    for view in cases.VIEWS:
                        how: Any = {"dtype": dtype, "layout": layout, "form": form, "view": view}
                        how |= {"solution": solution, "small_tiles": bool(i % 2)}
                        check(case, algorithm=algorithm, isa=isa, **how)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_plan_on_several_inputs(isa: str, algorithm: str) -> None:
    """A plan keeps nothing of one call for the next: three inputs, then the first again, one plan."""
    done = [case for case in random_cases(13, 60, "normal") if not case.single and case.batch is not None]
    for case in done[:12]:
        first = cases.arrays(case)
        w, bias = (None if a is None else a.astype(np.float32) for a in (first.w, first.bias))
        plan = npconv.plan_conv(first.x.shape, w, bias, algorithm=algorithm, **case.keywords)
        seen: dict[int, bytes] = {}
        for draw in (0, 1, 2, 0):
            data = cases.arrays(case, draw)
            x, residual = (None if a is None else a.astype(np.float32) for a in (data.x, data.residual))
            y = plan(x, residual=residual)
            whole = npconv.conv2d(x, w, bias, residual=residual, algorithm=algorithm, **case.keywords)
            assert y.tobytes() == whole.tobytes(), f"{case!r}, draw {draw}"
            assert seen.setdefault(draw, y.tobytes()) == y.tobytes()
        assert len(set(seen.values())) == 3 or case.activation is not None


LARGE = (
    Case((30, 29), (3, 3), cin=300, cout=200, padding=1, bias=True, residual=True, data="normal"),
    Case((13, 14), (3, 3), batch=3, cin=128, cout=530, groups=2, padding=1, activation="relu", data="normal"),
)  # fmt: skip


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("case", LARGE, ids=["one image", "groups"])
def test_layers_of_several_blocks_and_chunks(case: Case, algorithm: str, isa: str) -> None:
    for layout in cases.LAYOUTS:
        how: Any = {"layout": layout, "threads": 2, "form": "plan"}
        check(case, algorithm=algorithm, isa=isa, solution=solve(case, "float32", algorithm), **how)


# ---- the checks themselves: what they would not notice, no test above would --------------------------------


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_allowed_has_teeth(algorithm: str, dtype: str) -> None:
    """A result without one product in a sum, or with a weight a thousandth too large, is too far off."""
    case = Case((9, 9), (3, 3), cin=4, cout=9, data="normal")
    want = solve(case, dtype, algorithm)
    data = cases.arrays(case)
    assert cases.difference(want.y.astype(dtype), want, case) is None
    for factor in (0, 1.001):
        w = data.w.copy()
        w[:, 2, 1, 1] *= factor
        wrong = reference.conv(data.x.astype(dtype), w.astype(dtype), spatial_rank=2).astype(dtype)
        assert cases.difference(wrong, want, case) is not None


def test_the_random_cases_are_of_every_kind() -> None:
    drawn = [case for big in ALGORITHMS.values() for case in random_cases(big, COUNT)]
    kinds: Counter[str] = Counter()
    for case in drawn:
        height, width = case.pixels
        kinds["smaller than a tile"] += min(height, width) < 4
        kinds["several tiles"] += min(height, width) > 12
        kinds["several images of several tiles"] += (case.batch or 1) > 1 and min(height, width) > 6
        kinds["a strip"] += max(height, width) > 28
        kinds["groups"] += case.groups > 1
        kinds["without a batch"] += case.batch is None
        kinds["one channel"] += case.single
        kinds["many channels"] += min(case.cin, case.cout) > 30
        kinds["more padding than kernel"] += max(map(max, padding_of(case))) > 3
        kinds["uneven"] += any(before != after for before, after in padding_of(case))
        kinds[case.mode] += 1
        kinds[case.data] += 1
    assert all(count >= 10 for count in kinds.values()), kinds
    assert {*cases.MODES, "normal", "ints", "flat", "nonfinite"} <= set(kinds)


def padding_of(case: Case) -> list[tuple[int, int]]:
    return reference.paddings(case.padding, case.spatial, case.kernel)


def test_check_notices_that_another_algorithm_ran() -> None:
    with pytest.MonkeyPatch.context() as patch:
        right = npconv.conv2d
        patch.setattr(npconv, "conv2d", lambda *a, **k: right(*a, **k | {"algorithm": "gemm"}))
        with pytest.raises(AssertionError, match="the kernels that ran are"):
            check(Case((5, 6), (3, 3), padding=1), algorithm="winograd", isa=_core._isa_names()[0])
