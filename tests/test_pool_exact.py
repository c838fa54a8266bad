# SPDX-License-Identifier: BSD-3-Clause
"""Pooling against the oracle: maxima and their indices bit for bit, averages and norms within their bounds.

Averages of small integers by a power of two, and norms without a rounding in them, are exact as well. Every
case runs on every instruction set, maxima in all seven dtypes, in both layouts, into fresh or given memory,
from inputs laid out in every way; see `pool_check.check`.
"""

from __future__ import annotations

import dataclasses
import functools
import random
from typing import Any

import npconv
import numpy as np
import pool_cases
import pytest
import reference_pool as ref
from cases import PADDING_NAMES
from pool_cases import DTYPES, FLOATS, LAYOUTS, OPS, Pool
from pool_check import FORMS, VIEWS, check, ways

CASES_PER_OP = 140  # random ones of each rank, on each instruction set
RANKS = (1, 2, 3)


@functools.cache
def random_cases(rank: int) -> list[tuple[Pool, dict[str, Any]]]:
    """Cases and ways to call them, the same for every instruction set."""
    r = random.Random(rank)
    cases = [pool_cases.random_pool(r, op, rank) for op in OPS for _ in range(CASES_PER_OP)]
    return [(case, ways(r, case)) for case in cases]


@pytest.mark.parametrize("rank", RANKS)
def test_random_cases(isa: str, rank: int) -> None:
    for case, how in random_cases(rank):
        check(case, isa=isa, **how)


def test_the_random_cases_have_what_they_should() -> None:
    """Of everything that the generator can draw there is some: what it never draws, no test above sees."""
    cases = [case for rank in RANKS for case, _ in random_cases(rank)]
    calls = [how for rank in RANKS for _, how in random_cases(rank)]
    for name, choices in (("dtype", DTYPES), ("layout", LAYOUTS), ("form", FORMS), ("view", VIEWS)):
        assert {how[name] for how in calls} == set(choices)
    assert {c.data for c in cases if c.extreme} == set(pool_cases.KINDS["max"])
    assert {c.batch for c in cases} == {None, 0, 1, 2, 3}
    assert {c.channels for c in cases} >= set(pool_cases.CHANNELS)
    assert {c.padding for c in cases if isinstance(c.padding, str)} == set(PADDING_NAMES)
    sliding = [c for c in cases if c.op in pool_cases.SLIDING]
    assert sum(not c.windows.real.any(-1).all() for c in sliding) > 10  # windows of padding alone
    assert sum(not c.windows.counted.all() for c in sliding) > 20  # an overhang that is not counted
    for attribute in ("single", "ceil", "include", "keepdims"):
        assert {getattr(c, attribute) for c in cases} == {False, True}


# ---- shapes chosen for their edges -------------------------------------------------------------------------


def vary(case: Pool, **values: Any) -> list[Pool]:
    """The case with each of the values of one or more fields (all combinations)."""
    varied = [case]
    for name, choices in values.items():
        varied = [dataclasses.replace(c, **{name: value}) for c in varied for value in choices]
    return varied


AROUND = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 66, 70, 127, 128, 129, 200)
NAMED: dict[str, list[Pool]] = {
    "widths around vectors": [
        dataclasses.replace(case, spatial=(2, n))
        for n in AROUND
        for op in pool_cases.SLIDING
        for case in vary(Pool(op, (2, n), (1, 1), channels=2, data="ints"), stride=(1, (1, 2)))
    ],
    "windows of two and three along widths around vectors": [
        Pool(op, (4, n), k, stride=s, padding=p, data="ints")
        for n in AROUND[2:]
        for op in pool_cases.SLIDING
        for k, s, p in ((2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 1, "same"))
    ],
    "large windows, blocks of them": [
        Pool(op, (n,), k, stride=s, padding=p, data=data)
        for n in (33, 64, 100, 257)
        for k in (9, 16, 31, 33)
        for s, p in ((1, 0), (1, "same"), (2, k // 2))
        for op, data in (
            *((op, data) for op in ("max", "min") for data in ("ties", "rising", "falling")),
            ("avg", "ints"),
        )
    ],
    "large windows of an image": [
        Pool(op, (40, 50), k, stride=1, padding="same", batch=None, single=False, data="normal")
        for op in pool_cases.SLIDING
        for k in ((33, 5), (5, 33), (15, 15))
    ],
    "the window is the plane": [
        Pool(op, size, size, channels=3, data="normal")
        for op in pool_cases.SLIDING
        for size in ((5,), (4, 7), (2, 3, 4))
    ],
    "the window is larger than the plane": [
        Pool(op, (2, 3), 5, stride=1, padding=4, data="ints") for op in pool_cases.SLIDING
    ],
    "one overhangs": [
        Pool(op, (2, n), 3, stride=s, ceil=True, include=include, data="ints")
        for op in pool_cases.SLIDING
        for n in (2, 4, 5, 6, 7)
        for s in (2, 3, 4)
        for include in (True, False)
    ],
    "a last window that would start in the padding": [
        Pool(op, (n,), 2, stride=2, padding=1, ceil=True, data="ints")
        for op in pool_cases.SLIDING
        for n in range(1, 9)
    ],
    "windows of padding alone": [
        Pool(op, (n, 2), 2, stride=1, padding=p, dilation=d, include=include, data="ints")
        for op in pool_cases.SLIDING
        for n in (1, 2)
        for d, p in ((3, 2), (5, ((3, 4), (5, 0))), (7, "full"))
        for include in (True, False)
    ],
    "stride over the kernel": [
        Pool(op, (23, 9), 2, stride=s, padding=p, data="ints")
        for op in pool_cases.SLIDING
        for s in ((5, 3), 100)
        for p in (0, 1, "same", "same_lower", "causal")
    ],
    "volumes": [
        Pool(op, (5, 6, 19), k, stride=s, padding=p, batch=2, channels=2, data="ints")
        for op in pool_cases.SLIDING
        for k, s, p in ((2, None, 0), (3, 1, 1), ((1, 2, 3), (1, 2, 3), "same"))
    ],
    "adaptive": [
        Pool(op, (n, m), (a, b), channels=3, data="ints")
        for op in pool_cases.ADAPTIVE
        for n, m in ((1, 1), (7, 33), (14, 64))
        for a, b in ((1, 1), (7, 7), (3, None), (None, 5), (16, 65))
    ],
    "global": [
        Pool(op, size, channels=c, keepdims=keep, data="ints")
        for op in pool_cases.GLOBAL
        for size in ((1, 1), (7, 7), (1, 64), (16, 16), (33, 65))
        for c in (1, 5, 17)
        for keep in (True, False)
    ],
    "nothing but -inf, or inf": [
        Pool(op, (7, 40), 3, stride=s, padding=p, data=data)
        for op, data in (("max", "lowest"), ("min", "highest"))
        for s in (1, 2)
        for p in (0, 1, "same")
    ]
    + [Pool("adaptive_max", (7, 40), 3, data="lowest"), Pool("global_max", (7, 40), data="lowest")],
}


@pytest.mark.parametrize("reason", NAMED)
def test_named_cases(isa: str, reason: str) -> None:
    for i, case in enumerate(NAMED[reason]):
        for layout in LAYOUTS:
            dtype = DTYPES[i % 7] if case.extreme else FLOATS[i % 2]
            check(case, isa=isa, dtype=dtype, layout=layout, form=FORMS[i % 3], threads=1 + i % 2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_maxima_of_every_dtype_around_every_vector(isa: str, dtype: str) -> None:
    """Widths of one part of a vector to several, channels likewise: 64 of int8 fill one."""
    for n in (*range(1, 71), 127, 128, 129):
        k, s = (2, 3, 2, 5)[n % 4], (1, 2, 2)[n % 3]
        if n >= k:
            data = ("normal", "ties", "special")[n % 3]
            check(Pool("max", (3, n), (2, k), stride=(1, s), data=data, seed=n), isa=isa, dtype=dtype)
        for op, size in (("max", 2), ("adaptive_max", 2), ("global_max", None)):
            case = Pool(op, (4, 3), size, channels=n, data="special", seed=n)
            check(case, isa=isa, dtype=dtype, layout="channels_last", form="out")


@pytest.mark.parametrize("op", OPS)
def test_every_dtype_form_memory_and_layout(op: str) -> None:
    r = random.Random(op)
    for rank in RANKS:
        for _ in range(2):
            case = pool_cases.random_pool(r, op, rank, taps=4_000)
            for dtype in DTYPES if case.extreme else FLOATS:
                for form in FORMS:
                    for view in VIEWS:
                        for layout in LAYOUTS:
                            check(case, dtype=dtype, form=form, view=view, layout=layout)


# ---- NaN, infinities, zeros --------------------------------------------------------------------------------


def bits(a: Any) -> Any:
    return a.view(pool_cases.word_of(a.dtype)).tolist()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (2, 2), (9, 1), (33, 1), (5, 3)])
def test_a_nan_at_each_place_wins_its_windows_and_no_other(
    isa: str, kernel: int, stride: int, dtype: str
) -> None:
    rng = np.random.default_rng(kernel)
    n = 70
    for place in range(n):
        x = rng.integers(-9, 9, (1, n)).astype(dtype)
        x[0, place] = np.nan * rng.choice([-1, 1])
        y, indices = npconv.max_pool1d(x, kernel, stride=stride, return_indices=True)
        assert bits(y) == bits(npconv.max_pool1d(x, kernel, stride=stride))
        want, places = ref.max_pool(x, kernel, rank=1, stride=stride)
        assert bits(y) == bits(want)
        np.testing.assert_array_equal(indices, places)
        last = npconv.max_pool1d(x.T, kernel, stride=stride, layout="channels_last")
        assert bits(last[:, 0].copy()) == bits(want[0])


@pytest.mark.parametrize("dtype", FLOATS)
def test_of_many_nan_it_is_the_last_bit_for_bit(isa: str, dtype: str) -> None:
    """Each NaN has a payload of its own, which tells whose it is."""
    word = pool_cases.word_of(dtype)
    quiet = np.array(np.nan, dtype).view(word)
    for size in ((1, 40), (7, 9), (1, 200)):
        x = (quiet | np.arange(np.prod(size), dtype=word).reshape(size)).view(dtype)
        for kernel in (1, 2, 3, (1, 7)):
            want, places = ref.max_pool(x, kernel, rank=2, stride=1, padding="same")
            y, indices = npconv.max_pool2d(x, kernel, stride=1, padding="same", return_indices=True)
            assert bits(y) == bits(want)
            np.testing.assert_array_equal(indices, places)
        assert bits(npconv.global_max_pool2d(x)) == [[bits(x)[-1][-1]]]
        y, indices = npconv.adaptive_max_pool2d(x, 1, return_indices=True)
        assert (bits(y), indices.item()) == ([[bits(x)[-1][-1]]], x.size - 1)


def test_the_first_zero_of_either_sign_is_the_maximum(isa: str) -> None:
    for first, second in ((0.0, -0.0), (-0.0, 0.0)):
        for n in (2, 3, 8, 17, 40, 64, 65, 129):
            x = np.full((2, n), second, np.float32)
            x[:, 0] = first
            y, indices = npconv.max_pool2d(x, (2, n), return_indices=True)
            assert (bits(y), indices.item()) == (bits(np.array([[first]], np.float32)), 0)
            assert bits(npconv.global_max_pool2d(x)) == bits(y)
            last = npconv.global_max_pool2d(x.T.copy()[..., None], layout="channels_last")
            assert bits(last.ravel()) == bits(y.ravel())


@pytest.mark.parametrize("dtype", FLOATS)
def test_infinities_and_nan_stay_in_their_windows(isa: str, dtype: str) -> None:
    for op in ("avg", "lp"):
        for seed in range(40):
            k, s = 2 + seed % 5, 1 + seed % 3
            case = Pool(op, (9, 30), k, stride=s, padding="same", data="nonfinite", seed=seed)
            check(case, isa=isa, dtype=dtype, layout=LAYOUTS[seed % 2], form="out")
    for op in ("adaptive_avg", "global_avg"):
        for seed in range(10):
            size = None if op == "global_avg" else (3, 7)
            check(Pool(op, (9, 30), size, channels=5, data="nonfinite", seed=seed), isa=isa, dtype=dtype)


# ---- the checks themselves: what they would not notice, no test above would --------------------------------


def spoiled(change: Any, **how: Any) -> str:
    """The message of `check` where max_pool2d's result is changed by `change`."""
    case = Pool("max", (6, 7), 2, stride=1, batch=2, data="zeros")
    right = npconv.max_pool2d

    def wrong(*args: Any, **keywords: Any) -> Any:
        return change(*right(*args, **keywords))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npconv, "max_pool2d", wrong)
        with pytest.raises(AssertionError) as caught:
            check(case, form="out", **how)
    return str(caught.value)


def test_check_notices_the_sign_of_a_zero() -> None:
    def change(y: Any, indices: Any) -> Any:
        y[1, 0, 2, 4] *= -1
        return y, indices

    message = spoiled(change)
    assert "1 of 60 wrong, first at (1, 0, 2, 4)" in message
    assert "check(Pool('max', (6, 7), 2, batch=2, stride=1, data='zeros'), form='out')" in message


def test_check_notices_a_wrong_index_and_a_wrong_dtype() -> None:
    assert "indices: 1 of 60 wrong" in spoiled(lambda y, i: (y, i + (np.arange(60) == 7).reshape(i.shape)))
    assert "indices: the result is ndarray of int32" in spoiled(lambda y, i: (y, i.astype(np.int32)))
    assert "the result is ndarray, expected (values, indices)" in spoiled(lambda y, i: y)


def test_check_notices_a_write_beside_out_and_a_copied_out() -> None:
    def change(y: Any, indices: Any) -> Any:
        np.lib.stride_tricks.as_strided(y, (y.shape[0], y[0].size + 1), (y.strides[0], 4))[-1, -1] = 0
        return y, indices

    assert "memory beside out was written" in spoiled(change)
    assert "the result is not out" in spoiled(lambda y, i: (y.copy(), i))


def test_check_notices_an_average_that_is_one_bit_off() -> None:
    case = Pool("avg", (6, 8), (2, 4), data="ties")
    right = npconv.avg_pool2d

    def wrong(*args: Any, **keywords: Any) -> Any:
        y = right(*args, **keywords)
        y.ravel()[3] = np.nextafter(y.ravel()[3], 9)
        return y

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npconv, "avg_pool2d", wrong)
        with pytest.raises(AssertionError, match="1 of 6 wrong"):
            check(case)
