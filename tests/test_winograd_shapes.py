# SPDX-License-Identifier: BSD-3-Clause
"""Winograd on kernels of any size, strides and dilations in 1 to 3 dimensions, against wider arithmetic.

Random cases over all arguments and named ones, each on every instruction set; small integers bit for bit
where the transform leaves nothing to round; the bound that holds for all data.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from typing import Any

import cases
import npconv
import numpy as np
import pytest
import reference
import winograd_cases
from cases import Case
from winograd_cases import ALGORITHMS, check_twice, conv, in_layout, random_cases
from winograd_tiles import axes, by_tiles, case_of, coefficient, lifted, served, tile_unit

COUNTS = {"winograd_f2": 120, "winograd": 360, "winograd_f6": 80}  # random cases on each instruction set


def drawn(algorithm: str, seed: int = 1, data: str | None = None, count: int = 0) -> list[Case]:
    return random_cases(seed, count or COUNTS[algorithm], data, algorithm, 200_000)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_random_cases(isa: str, algorithm: str) -> None:
    for i, case in enumerate(drawn(algorithm)):
        check_twice(case, algorithm, isa, i)


def test_random_integers_bit_for_bit(isa: str) -> None:
    """Of three taps, or of one, in every phase: F(2, 3) has halves and whole numbers alone."""
    for data in ("ints", "flat", "nonfinite"):
        for i, case in enumerate(drawn("winograd_f2", 2, data, 60)):
            check_twice(case, "winograd_f2", isa, i)


# ---- named cases -------------------------------------------------------------------------------------------

EVERY: Any = {"cin": 5, "cout": 9, "bias": True, "residual": True, "activation": ("leaky_relu", 0.25)}
WIDE: Any = {"cin": 17, "cout": 33, "data": "normal"}
FEW: Any = {"cout": 18, "bias": True, "data": "normal"}


def with_data(case: Case) -> Case:
    return case if case.data == "normal" else dataclasses.replace(case, data="normal")


NAMED = {
    "1-D, every number of taps": [
        Case((n,), (k,), padding="same", stride=s, **EVERY)
        for k in range(2, 16) for s in (1, 2, 3) for n in (1, 7, 41) if -(-k // min(s, k)) > 1
    ],
    "1-D, every number of outputs": [
        Case((n + k - 1,), (k,), batch=3, **EVERY) for k in (2, 3, 4, 5, 6, 9) for n in range(1, 14)
    ],
    "2-D, every pair of taps": [
        Case((11, 12), pair, padding=2, cin=3, cout=5, data="normal")
        for pair in itertools.product(range(1, 10), repeat=2) if max(pair) > 1
    ],
    "one axis alone": [
        Case((9, 14), kernel, padding="same", **WIDE)
        for k in range(2, 10) for kernel in ((1, k), (k, 1))
    ],
    "2-D, every pair of strides": [
        Case((19, 20), kernel, stride=stride, padding=1, cin=cin, cout=5, data="normal")
        for kernel in ((3, 3), (5, 4), (7, 7), (2, 9))
        for stride in itertools.product((1, 2, 3), repeat=2) for cin in (2, 19)
        if served("winograd", Case((19, 20), kernel, stride=stride, padding=1))
    ],
    "dilations": [
        Case((26, 27), (k, 3), dilation=d, padding="same", cin=4, cout=9, batch=2, data="normal")
        for k in (1, 2, 3, 5, 6) for d in (2, 3, 5, 12, (1, 7), (12, 1), (5, 2))
    ],
    "1-D dilations": [
        Case((n,), (k,), dilation=d, padding="causal", mode=mode, **EVERY)
        for k in (2, 3, 7, 9) for d, n in ((2, 3), (2, 9), (3, 4), (5, 41), (12, 13), (12, 100))
        for mode in ("zeros", "circular")
    ],
    "as many outputs as phases and one more": [
        Case((d + 1, d + 2), (3, 3), dilation=d, padding="same", **EVERY) for d in (2, 3, 5, 12)
    ],
    "a stride along one axis and a dilation along the other": [
        Case((19, 20), (3, 5), stride=(1, 2), dilation=(d, 1), padding="same", cin=cin, cout=9, data="normal")
        for d in (2, 3) for cin in (2, 17)
    ] + [
        Case((19, 26), (5, 3), stride=(s, 1), dilation=(1, d), padding=1, cin=cin, cout=9, data="normal")
        for s in (2, 3) for d in (2, 5) for cin in (1, 3, 17)
    ],
    "depth": [
        Case((6, 7, 8), (k, 3, 3), stride=(s, 1, 1), padding=1, cin=3, cout=9, data="normal")
        for k in range(1, 6) for s in (1, 2, 3)
    ],
    "depth with dilation": [
        Case((9, 7, 8), (k, 3, 2), dilation=(d, 1, 1), padding="same", **EVERY)
        for k in (2, 3) for d in (2, 3, 5)
    ],
    "3-D with strides and dilation": [
        Case((8, 9, 11), (3, 3, 3), stride=s, dilation=d, padding="same", cin=cin, cout=9, data="normal")
        for s, d in ((2, 1), ((1, 2, 2), 1), ((2, 1, 1), (1, 2, 3)), (1, 2), (1, (3, 2, 1)), ((2, 2, 1), 1))
        for cin in (1, 3, 17)
    ],
    "few channels, vectors of tiles": [
        Case((17, 15), kernel, stride=stride, padding=padding, cin=cin * g, groups=g, **FEW)
        for kernel, stride, padding in (((7, 7), 2, 3), ((3, 3), 2, 1), ((5, 5), 3, 0), ((3, 7), (1, 4), 2))
        for cin, g in ((1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (7, 1), (8, 1), (9, 1), (1, 3), (3, 2))
    ],
    "few channels of 1-D and 3-D, vectors of tiles": [
        Case(size, kernel, stride=stride, padding=1, mode=mode, cin=cin, **FEW)
        for size, kernel, stride in (((61,), (5,), 2), ((61,), (15,), 4), ((7, 9, 9), (3, 3, 3), 2))
        for cin in (1, 3, 8) for mode in cases.MODES
    ],
    "strides longer than the kernel": [
        Case(size, kernel, stride=stride, padding=2, cin=cin, cout=9, data="normal")
        for size, kernel, stride in (
            ((13, 20), (1, 3), (2, 1)), ((13, 20), (2, 3), (3, 2)), ((13, 20), (1, 5), (3, 2)),
            ((20, 13), (4, 2), (1, 5)), ((9, 8, 9), (1, 3, 3), (2, 1, 2)), ((9, 8, 9), (2, 1, 3), (3, 2, 1)),
        )
        for cin in (1, 3, 17)
    ],
    "many channels": [
        Case(size, kernel, stride=stride, dilation=dilation, padding="same", cin=130, cout=34, data="normal")
        for size, kernel, stride, dilation in (
            ((11,), (3,), 1, 1), ((11,), (9,), 1, 1), ((12,), (5,), 2, 1), ((14,), (2,), 1, 5),
            ((6, 7), (5, 5), 1, 1), ((6, 7), (1, 7), 1, 1), ((7, 7), (5, 5), 2, 1), ((7, 8), (3, 3), 1, 3),
            ((3, 4, 5), (3, 3, 3), 1, 1), ((3, 5, 5), (3, 3, 3), 2, 1),
        )
    ],
    "so many channels that tiles are smaller": [
        Case(size, kernel, stride=stride, dilation=dilation, padding="same", cin=cin, cout=9, data="normal")
        for size, kernel, stride, dilation, cin in (
            ((6, 7), (5, 5), 1, 1, 1030), ((9, 10), (5, 5), 1, 2, 810), ((6, 7), (4, 4), 1, 1, 1050),
            ((7, 8), (7, 7), 2, 1, 300), ((11,), (9,), 1, 1, 2048), ((3, 4, 5), (3, 5, 5), 1, 1, 150),
        )
    ],
    "taps of the height are summed": [
        Case(size, kernel, stride=stride, dilation=dilation, padding=3, cin=cin, cout=9, data="normal")
        for size, kernel, stride, dilation, cin in (
            ((8, 9), (7, 7), 1, 1, 16), ((9, 10), (7, 7), 1, (1, 2), 20), ((9, 10), (7, 7), 1, (2, 1), 20),
            ((13, 12), (11, 11), 1, 1, 20), ((17, 19), (11, 11), 1, 2, 20),
        )
    ],
    "groups": [
        Case((9, 10), kernel, stride=stride, padding="same", cin=g * i, cout=g * o, groups=g, data="normal")
        for kernel, stride in (((5, 5), 1), ((5, 3), 2), ((1, 7), 1), ((7, 7), 2))
        for g, i, o in ((3, 5, 7), (5, 3, 1), (2, 17, 17), (9, 1, 1))
    ],
    "more padding than input": [
        Case(size, kernel, stride=s, padding=p, mode=mode, **EVERY)
        for size, kernel, s, p in (((1,), (5,), 1, 9), ((2, 3), (5, 7), 1, 7), ((1, 2), (7, 7), 2, 6),
                                   ((2, 1, 3), (3, 3, 3), 1, 4))
        for mode in cases.MODES
    ],
    "uneven padding": [
        Case((12, 13), kernel, stride=s, dilation=d, padding=padding, mode=mode, **EVERY)
        for kernel, s, d in (((5, 5), 1, 1), ((3, 7), 2, 1), ((3, 3), 1, 2))
        for padding in (((0, 3), (2, 0)), ((5, 0), (0, 1)), ((0, 0), (0, 9))) for mode in cases.MODES
    ],
    "flipped": [Case((9, 10), (4, 7), padding=p, flip=True, **EVERY) for p in ("valid", "full", 1)],
    "many images": [
        Case(size, kernel, batch=31, stride=s, dilation=d, padding="same", **EVERY)
        for size, kernel, s, d in (((5,), (3,), 1, 1), ((4, 5), (5, 5), 2, 1), ((3, 4), (2, 3), 1, 2),
                                   ((2, 3, 4), (3, 3, 3), 1, 1))
    ],
    "long kernels": [
        Case((150,), (64,), cin=2, cout=3, data="normal"), Case((300,), (255,), padding=9, data="normal"),
        Case((40, 33), (15, 13), cin=2, cout=3, data="normal"), Case((30, 30), (30, 1), data="normal"),
        Case((9, 9, 14), (3, 6, 9), padding=1, data="normal"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("reason", NAMED)
def test_named_cases(isa: str, reason: str) -> None:
    for i, case in enumerate(NAMED[reason]):
        for algorithm in ALGORITHMS:
            if served(algorithm, case):
                check_twice(with_data(case) if algorithm != "winograd_f2" else case, algorithm, isa, i)


def test_each_named_case_is_served_by_winograd() -> None:
    for reason, named in NAMED.items():
        assert all(served("winograd", case) for case in named), reason
        assert len(named) > 2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_plan_on_several_inputs(isa: str, algorithm: str) -> None:
    """A plan keeps nothing of one call for the next, and computes what a call does, bit by bit."""
    done = [c for c in drawn(algorithm, 3, "normal", 40) if not c.single and c.batch is not None]
    for case in done[:20]:
        first = cases.arrays(case)
        w, bias = (None if a is None else a.astype(np.float32) for a in (first.w, first.bias))
        plan = npconv.plan_conv(first.x.shape, w, bias, algorithm=algorithm, **case.keywords)
        for draw in (0, 1, 0):
            data = cases.arrays(case, draw)
            x, residual = (None if a is None else a.astype(np.float32) for a in (data.x, data.residual))
            whole = conv(algorithm, x, w, bias, residual=residual, **case.keywords)
            assert plan(x, residual=residual).tobytes() == whole.tobytes(), f"{case!r}, draw {draw}"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bitwise_equal_for_any_threads_and_layout(isa: str, algorithm: str) -> None:
    for i, case in enumerate(drawn(algorithm, 4, "nonfinite", 30)):
        if case.single or case.batch is None:
            continue
        data, dtype = cases.arrays(case), cases.DTYPES[i % 2]
        x, w, bias = (None if a is None else a.astype(dtype) for a in (data.x, data.w, data.bias))
        results = set()
        with cases.small_tiles(bool(i % 4)):
            for threads, layout in ((1, 0), (2, 1), (3, 0), (7, 0), (7, 1)):
                how = case.keywords | {"layout": cases.LAYOUTS[layout], "num_threads": threads}
                with np.errstate(invalid="ignore"), winograd_cases.winograd_runs(winograd_cases.fit(w)):
                    function = getattr(npconv, f"conv{case.rank}d")
                    y = function(in_layout(x, how["layout"]), w, bias, algorithm=algorithm, **how)
                results.add(np.ascontiguousarray(winograd_cases.channels_first(y, how["layout"])).tobytes())
        assert len(results) == 1, case


# ---- the bound, on data that try to reach it ---------------------------------------------------------------

BOUNDED = [
    case
    for name in ("one axis alone", "2-D, every pair of strides", "dilations", "depth", "many channels")
    for case in NAMED[name][::3]
]  # fmt: skip


def test_the_bound_of_every_tile(isa: str) -> None:
    """Exponents far apart within a tile, a mean, and signs alike: all of them errors that add up."""
    for i, case in enumerate(BOUNDED):
        rng = np.random.default_rng(i)
        dtype = cases.DTYPES[i % 2]
        x_shape = (case.batch or 1, case.cin, *case.spatial)
        w_shape = (case.cout, case.cin, *case.kernel)
        for of_x, of_w in ((7.9, 20.0), (0.0, 0.0)):
            x, w = (
                (rng.choice([-1, 1], shape) * np.exp2(rng.uniform(0, most, shape))).astype(dtype)
                for shape, most in ((x_shape, of_x), (w_shape, of_w))
            )
            if of_x == 0:
                x, w = x + x.dtype.type(1000), abs(w)
            how = {n: case.keywords[n] for n in ("stride", "padding", "dilation", "padding_mode")}
            described = case_of(x, w, **how)
            wide: Any = np.float64 if dtype == "float32" else np.longdouble
            want = reference.conv(x, w, spatial_rank=case.rank, accumulate=wide, **how)
            allowed = coefficient("winograd", described) * tile_unit("winograd", described, x, w)
            assert (abs(conv("winograd", x, w, **how) - want) <= allowed).all(), case


# ---- the cases themselves ----------------------------------------------------------------------------------


def test_the_random_cases_are_of_every_kind() -> None:
    kinds: Counter[str] = Counter()
    for algorithm in ALGORITHMS:
        for case in drawn(algorithm):
            strides, dilations = lifted(case, case.stride), lifted(case, case.dilation)
            cut = axes(algorithm, case)
            kinds[f"{case.rank}-D"] += 1
            kinds["stride"] += max(strides) > 1
            kinds["dilation"] += max(axis["output_phases"] for axis in cut) > 1
            kinds["both"] += max(strides) > 1 and max(dilations) > 1
            kinds["runs along height or width"] += max(axis["runs"] for axis in cut[1:]) > 1
            kinds["planes"] += cut[0]["runs"] > 1
            kinds["phases of planes"] += cut[0]["input_phases"] > 1
            kinds["vectors of tiles"] += by_tiles(case)
            kinds["stride above kernel"] += any(np.greater(strides, lifted(case, case.kernel)))
            kinds["groups"] += case.groups > 1
            kinds["without a batch"] += case.batch is None
            kinds["one channel"] += case.single
            kinds["many channels"] += min(case.cin, case.cout) > 30
            kinds[case.mode] += 1
            kinds[case.data] += 1
            for axis in cut:
                kinds[f"{axis['points']} points, {axis['taps']} taps"] += 1
    assert all(count >= 5 for count in kinds.values()), kinds
    transforms = [kind for kind in kinds if kind.endswith("taps")]
    assert len(transforms) == 12, transforms  # all but the smallest tiles of 5x5, which take many channels
