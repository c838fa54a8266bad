# SPDX-License-Identifier: BSD-3-Clause
"""Exact tests: small integers leave float arithmetic nothing to round, so npconv must equal the oracle.

Every case runs on every instruction set, in both dtypes and both layouts, as a plain call or a plan, into
fresh or given memory, from inputs laid out in every way; see `cases.check`. (-0 counts as +0.)
"""

from __future__ import annotations

import dataclasses
import functools
import random
import re
from typing import Any

import cases
import npconv
import numpy as np
import pytest
from cases import Case, Solution, check
from npconv import _core

CASES_PER_RANK = 1_200  # random ones, on each instruction set
RANKS = (1, 2, 3)

# ---- shapes chosen for their edges -------------------------------------------------------------------------


def vary(case: Case, **values: Any) -> list[Case]:
    """The case with each of the values of one or more fields (all combinations)."""
    varied = [case]
    for name, choices in values.items():
        varied = [dataclasses.replace(c, **{name: value}) for c in varied for value in choices]
    return varied


def named() -> dict[str, list[Case]]:
    """Lists of cases by the reason why they are here.

    The sizes straddle vectors of 2 to 16 lanes, register tiles of 6 to 8 pixels by 8 to 64 output channels,
    pixel blocks of about 112 and k blocks of about 256 channels x taps.
    """
    some: Any = {"cin": 3, "cout": 9, "bias": True, "activation": "relu"}
    every: Any = some | {"residual": True, "activation": ("leaky_relu", 0.25)}
    # an input and a kernel of each rank, the kernel even on an axis
    line, image, volume = ((9,), (4,)), ((5, 6), (3, 2)), ((3, 4, 2), (2, 3, 2))
    lists: dict[str, list[Case]] = {
        # blocks and tiles
        "output channels around a vector": vary(
            Case((3, 4), (1, 1), **some), cout=(1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17)
        ),
        "output channels around a register tile": vary(
            Case((2, 5), (2, 2), padding="same", **every),
            cout=(23, 24, 25, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 128, 129),
        ),
        "pixels around a register tile": vary(
            Case((1, 1), (1, 1), **every | {"cout": 66}),
            spatial=[(1, n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17)],
        ),
        "pixels around a block": [
            *vary(Case((1,), (3,), padding="same", **every), spatial=[(n,) for n in (111, 112, 113)]),
            *vary(Case((1,), (1,), **some), spatial=[(n,) for n in (95, 96, 97, 127, 128, 129)]),
            *vary(Case((1,), (1,), **some), spatial=[(n,) for n in (223, 224, 225, 337)]),
            Case((8, 14), (3, 3), padding=1, **every),
            Case((16, 7), (1, 1), stride=(1, 2), **every),
        ],
        "pixels of one image end inside a tile": vary(
            Case((1,), (1,), batch=5, **every), spatial=[(n,) for n in (1, 5, 6, 7, 8, 13)]
        ),
        "more images than a block, of one pixel": [Case((2, 2), (2, 2), batch=113, **every)],
        "channels around a k block": vary(
            Case((2, 7), (1, 1), **every), cin=(127, 128, 129, 255, 256, 257, 511, 512, 513)
        ),
        "channels x taps around a k block": [
            *vary(Case((5, 5), (3, 3), padding=1, **every), cin=(14, 28, 29, 57)),
            *vary(Case((9,), (3,), padding="same", **some), cin=(85, 86, 171)),
            *vary(Case((3, 4, 4), (3, 3, 3), padding=1, **some), cin=(9, 10, 19)),
            *vary(Case((4, 5), (2, 2), **every), cin=(64,)),
            Case((20, 20), (16, 16), **every),
        ],
        "all blocks at once": [Case((2, 113), (1, 1), cin=257, cout=65, bias=True, residual=True)],
        # channels and groups
        "prime channels": [
            Case((6, 5), (3, 2), cin=13, cout=11, padding="same", bias=True),
            Case((7,), (3,), cin=37, cout=41, bias=True),
            Case((3, 4, 3), (2, 3, 2), cin=7, cout=19, bias=True),
        ],
        "many channels in, one out": [Case((5, 6), (3, 3), cin=130, cout=1, padding=1, bias=True)],
        "first layer": [Case((20, 21), (7, 7), cin=3, cout=64, stride=2, padding=3, bias=True)],
        "depthwise": [
            Case((5, 9), (3, 3), cin=n, cout=n, groups=n, padding=1, bias=True, activation="relu6")
            for n in (1, 2, 3, 7, 8, 15, 16, 17, 33)
        ],
        "depthwise with a channel multiplier": [
            Case((4, 5), (3, 3), cin=n, cout=m * n, groups=n, stride=2, padding=1, bias=True, residual=True)
            for n, m in ((2, 2), (5, 3), (17, 2), (3, 17))
        ],
        "groups of odd size": [
            Case((4, 5), (3, 3), cin=g * i, cout=g * o, groups=g, padding="same", bias=True, residual=True)
            for g, i, o in ((3, 5, 7), (5, 3, 1), (2, 33, 17), (7, 1, 9), (3, 9, 65))
        ],
        "groups in 1-D and 3-D": [
            Case((17,), (4,), groups=3, padding="causal", **every),
            Case((3, 4, 5), (2, 2, 2), groups=3, padding=1, mode="circular", **every),
        ],
        # sizes, padding, stride, dilation
        "kernel equals input": [
            Case((5,), (5,), **every),
            Case((4, 7), (4, 7), **every),
            Case((2, 3, 4), (2, 3, 4), **every),
            Case((5, 5), (3, 3), dilation=2, **some),
        ],
        "kernel equals padded input": vary(Case((3, 3), (5, 7), padding=(1, 2), **some), mode=cases.MODES),
        "dilation jumps the padding": [
            *vary(Case((3, 3), (3, 3), padding=4, dilation=4, **some), mode=cases.MODES),
            Case((1, 1), (3, 3), padding=7, dilation=7, **some),
            Case((9,), (2,), dilation=8),
        ],
        "more padding than input": [
            Case(size, (3,) * len(size), padding=7, mode=mode, **some)
            for size in ((1,), (2,), (3, 1), (1, 2, 3))
            for mode in cases.MODES
        ],
        "asymmetric padding": vary(Case((5, 6), (3, 3), padding=((0, 3), (2, 0)), **every), mode=cases.MODES),
        "windows of padding alone": [
            Case((2, 3), (1, 1), padding=5, stride=2, **every),
            Case((3,), (2,), padding=((9, 0),), stride=3, **every),
        ],
        "named paddings": [
            Case((7, 8), kernel, stride=stride, padding=name, dilation=dilation, mode=mode, **some)
            for kernel in ((3, 2), (4, 5))
            for stride, dilation in ((1, 1), (2, 1), (1, 2), (3, 2))
            for name, mode in zip(cases.PADDING_NAMES[1:], cases.MODES, strict=True)
        ],
        "strided tails": [
            Case((n, 2 * n + 1), (3, 2), stride=stride, padding=(1, 0), **some)
            for n in (6, 7, 8, 9)
            for stride in (2, 3, (3, 4))
        ],
        "stride over the kernel": [
            Case((11, 13), (2, 2), stride=(5, 4), **every),
            Case((9, 9), (1, 1), stride=100, **some),
            Case((15,), (3,), stride=7, padding="same_lower", **some),
        ],
        "unit axes": [
            Case((1, 9), (1, 3), padding="same", **every),
            Case((9, 1), (3, 1), padding="same", **every),
            Case((1, 1), (3, 3), padding="same", **every),
            Case((1, 1, 9), (1, 1, 3), **every),
            Case((9, 1, 1), (3, 1, 1), **every),
            Case((1, 1), (1, 1)),
        ],
        "1-D long": [
            Case((1000,), (5,), padding="same", **every),
            Case((1001,), (300,), cout=2),
            Case((400,), (3,), padding="causal", dilation=64, **every),
            Case((900,), (1,), cout=17, stride=2),
        ],
        "3-D": [
            *vary(Case((5, 6, 7), (3, 3, 3), padding=1, **every), mode=cases.MODES),
            Case((5, 6, 7), (3, 2, 1), stride=(1, 2, 3), padding=((0, 1), (2, 0), (1, 1)), **every),
            Case((2, 9, 8), (2, 3, 3), dilation=(1, 3, 2), padding="full", flip=True, **every),
        ],
        # forms
        "flip": [Case(*size, padding="full", flip=True, **some) for size in (line, image, volume)],
        "unbatched": [Case(*size, batch=None, padding="same", **every) for size in (line, image, volume)],
        "one channel without its axis": [
            Case(*size, padding="same", mode=mode, single=True, bias=True, residual=True)
            for size in (line, image, volume)
            for mode in cases.MODES
        ],
        # empty
        "nothing to compute": [
            Case((5, 6), (3, 3), batch=0, **every),
            Case((5, 6), (3, 3), batch=2, **every | {"cout": 0}),
            Case((0, 6), (3, 3), batch=2, padding="same", **every),
            Case((0,), (3,), padding="causal", **every),
        ],
        "nothing to add up": [
            Case((5, 6), (3, 3), batch=2, **every | {"cin": 0}),
            Case((5,), (3,), batch=2, cout=8, groups=2, cin=0, bias=True),
            Case((5, 6), (3, 3), cin=0, cout=9),
        ],
        "an empty axis in real zeros": [Case((0, 4), (3, 3), padding=2, **every)],
    }
    # A seed for each, so that none is right by luck of the same numbers.
    return {
        name: [dataclasses.replace(case, seed=i) for i, case in enumerate(same, start=100 * number)]
        for number, (name, same) in enumerate(lists.items())
    }


NAMED = named()

# ---- random and named cases --------------------------------------------------------------------------------

# The oracle's work is done once for all instruction sets.
solve = functools.cache(cases.solve)


def check_everywhere(case: Case, isa: str, seed: int) -> int:
    """One case in both dtypes and layouts, in ways that `seed` draws; returns the number of comparisons."""
    rng = np.random.default_rng([seed, case.seed])
    solution = solve(case)
    for dtype in cases.DTYPES:
        for layout in cases.LAYOUTS:
            check(case, isa=isa, dtype=dtype, layout=layout, solution=solution, **cases.ways(rng, case))
    return len(cases.DTYPES) * len(cases.LAYOUTS)


@functools.cache
def random_cases(rank: int) -> list[Case]:
    r = random.Random(1000 + rank)
    return [cases.random_case(r, rank) for _ in range(CASES_PER_RANK)]


@functools.cache
def run_random_cases(isa: str, rank: int) -> int:
    """Check all random cases of a rank on an instruction set; returns how many different ones there were."""
    for i, case in enumerate(random_cases(rank)):
        check_everywhere(case, isa, i)
    return len({repr(case) for case in random_cases(rank)})


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("name", _core._isa_names())
def test_random_cases(name: str, rank: int) -> None:
    run_random_cases(name, rank)


@pytest.mark.parametrize("name", _core._isa_names())
def test_at_least_3000_cases_ran(name: str) -> None:
    """Runs them again only where test_random_cases was not selected."""
    assert sum(run_random_cases(name, rank) for rank in RANKS) >= 3_000


@pytest.mark.parametrize("reason", [name for name in NAMED if not name.startswith("nothing")])
def test_named_cases(isa: str, reason: str) -> None:
    for case in NAMED[reason]:
        for way in range(2):
            check_everywhere(case, isa, way)


@pytest.mark.parametrize("reason", [name for name in NAMED if name.startswith("nothing")])
@pytest.mark.parametrize("name", _core._isa_names())
def test_named_cases_without_arithmetic(name: str, reason: str) -> None:
    for case in NAMED[reason]:
        check_everywhere(case, name, 0)


@pytest.mark.parametrize("algorithm", ["gemm", "naive", "auto"])
def test_every_algorithm_in_every_form_and_memory(algorithm: str) -> None:
    """All forms x views x dtypes x layouts on a few cases of each rank."""
    r = random.Random(7)
    for rank in RANKS:
        for _ in range(6):
            case = cases.random_case(r, rank, "flat" if r.random() < 0.5 else "ints", macs=20_000)
            solution = cases.solve(case)
            for form in cases.FORMS:
                for view in cases.VIEWS:
                    for dtype in cases.DTYPES:
                        for layout in cases.LAYOUTS:
                            how: Any = {"dtype": dtype, "layout": layout, "form": form, "view": view}
                            check(case, algorithm=algorithm, solution=solution, **how)


@pytest.mark.parametrize("reason", list(NAMED))
def test_named_cases_by_the_naive_algorithm(reason: str) -> None:
    for case in NAMED[reason]:
        if case.macs < 200_000:
            check(case, dtype="float32", algorithm="naive")
            check(case, dtype="float64", layout="channels_last", algorithm="naive", view="strided")


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_one_plan_on_several_inputs(isa: str, dtype: str, layout: str) -> None:
    """A plan keeps nothing of one call for the next: three inputs, then the first again, one plan."""
    r = random.Random(11)
    draws = (0, 1, 2, 0)
    done = 0
    while done < 60:
        case = cases.random_case(r, None, "ints")
        if case.single or not case.macs:
            continue
        done += 1

        def laid(a: Any, rank: int = case.rank) -> Any:
            a = a.astype(dtype)
            return np.ascontiguousarray(np.moveaxis(a, -1 - rank, -1) if layout == "channels_last" else a)

        inputs = {draw: cases.arrays(case, draw) for draw in draws}
        bias = inputs[0].bias
        plan = npconv.plan_conv(
            laid(inputs[0].x).shape,
            inputs[0].w.astype(dtype),
            None if bias is None else bias.astype(dtype),
            layout=layout,
            algorithm="gemm",
            **case.keywords,
        )
        for draw in draws:
            residual = inputs[draw].residual
            y = plan(laid(inputs[draw].x), residual=None if residual is None else laid(residual))
            want = cases.solve(case, draw=draw)
            np.testing.assert_array_equal(y, laid(want.y), err_msg=f"{case!r}, draw {draw}")


def test_out_with_a_negative_batch_stride(isa: str) -> None:
    """`out` is C-contiguous but for the batch stride, which may go backwards."""
    case = Case((5, 6), (3, 3), batch=3, cin=2, cout=9, padding=1, bias=True)
    data, want = cases.arrays(case), cases.solve(case)
    out = np.full(want.y.shape, np.nan)[::-1]
    assert npconv.conv2d(data.x, data.w, data.bias, out=out, **case.keywords) is out
    np.testing.assert_array_equal(out, want.y)


# ---- the checks themselves: what they would not notice, no test above would --------------------------------


def spoiled(change: Any) -> str:
    """The message of `check` where conv2d's result is changed by `change`."""
    case = Case((5, 6), (3, 3), batch=2, cin=2, cout=9, padding=1, bias=True)
    right = npconv.conv2d

    def wrong(*args: Any, **keywords: Any) -> Any:
        return change(right(*args, **keywords))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npconv, "conv2d", wrong)
        with pytest.raises(AssertionError) as caught:
            check(case, form="out")
    return str(caught.value)


def test_check_notices_one_wrong_element() -> None:
    def change(y: Any) -> Any:
        y[1, 3, 2, 4] += 1
        return y

    message = spoiled(change)
    assert "1 of 540 wrong, first at (1, 3, 2, 4)" in message
    assert "check(Case((5, 6), (3, 3), batch=2, cin=2, cout=9, padding=1, bias=True), form='out')" in message


def test_check_notices_an_element_left_unwritten() -> None:
    def change(y: Any) -> Any:
        y[0, 0, 0, 0] = np.nan
        return y

    assert "first at (0, 0, 0, 0): np.float32(nan)" in spoiled(change).replace(": nan", ": np.float32(nan)")


def test_check_notices_a_write_beside_out() -> None:
    def change(y: Any) -> Any:
        np.lib.stride_tricks.as_strided(y, (y.shape[0], y[0].size + 1), (y.strides[0], 4))[-1, -1] = 0
        return y

    assert "memory beside out was written" in spoiled(change)


def test_check_notices_a_copied_out() -> None:
    assert "the result is not out" in spoiled(lambda y: y.copy())


def test_difference_is_exact_for_integers() -> None:
    case = Case((2,), (1,))
    solution = Solution(np.array([1.0, 2.0]), None)
    assert cases.difference(np.array([1.0, 2.0], np.float32), solution, case) is None
    assert cases.difference(np.array([1.0, np.nextafter(2, 3)]), solution, case) is not None


# ---- large enough for every loop ---------------------------------------------------------------------------

LARGE = (
    Case((20, 22), (1, 1), cin=1800, cout=600, bias=True),
    Case((20, 14), (3, 3), cin=200, cout=300, padding="same", residual=True, activation="relu"),
    Case((3, 13, 14), (2, 3, 3), batch=2, cin=64, cout=530, groups=2, padding=1, stride=(1, 2, 1)),
)


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("case", LARGE, ids=str)
def test_layers_of_several_chunks_panels_and_blocks(case: Case, dtype: str, isa: str) -> None:
    solution = cases.solve(case)
    for layout in cases.LAYOUTS:
        for form in ("out", "plan"):
            check(case, solution=solution, isa=isa, dtype=dtype, layout=layout, form=form, threads=2)


def test_the_large_layers_take_every_loop(isa: str) -> None:
    for case in LARGE[:2]:
        x_shape, w_shape = (1, case.cin, *case.spatial), (case.cout, case.cin, *case.kernel)
        one, two = (
            npconv.plan_conv(
                x_shape,
                np.ones(w_shape, np.float32),
                padding=case.padding,
                algorithm="gemm",
                num_threads=n,
            )
            for n in (1, 2)
        )
        assert two.workspace_bytes == 2 * one.workspace_bytes  # a second thread has tasks
        text = one.explain()
        blocks, chunks, panels = (
            int(re.search(pattern, text)[1])  # type: ignore[index]
            for pattern in (
                r"in (\d+) block\(s\) of at most",
                r"x (\d+) chunk",
                r"chunk\(s\) of at most (\d+) of",
            )
        )
        assert blocks > 1
        assert chunks > 1
        assert panels > 1
    one(np.ones(x_shape, np.float32))


def test_small_tiles_cut_small_problems_as_large_ones_are(isa: str) -> None:
    w = np.ones((70, 6, 3, 3), np.float32)
    with cases.small_tiles():
        one, two = (npconv.plan_conv((1, 6, 9, 9), w, algorithm="gemm", num_threads=n) for n in (1, 2))
        assert two.workspace_bytes == 2 * one.workspace_bytes
        assert "k 54 in 9 block(s)" in one.explain()
        assert (two(np.ones((1, 6, 9, 9), np.float32)) == 54).all()


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("size", [(3, 3), (8, 8), (20, 15)])
def test_of_no_channels_the_bias_is_left(size: tuple[int, int], dtype: str, isa: str) -> None:
    """NumPy gives an array without elements strides of zero."""
    w, bias = np.zeros((5, 0, 1, 1), dtype), np.arange(5).astype(dtype)
    for guard in (0, 1, 2):
        npconv._core._set_guard_pages(guard)
        try:
            first = npconv.conv2d(np.zeros((2, 0, *size), dtype), w, bias)
            last = npconv.conv2d(np.zeros((2, *size, 0), dtype), w, bias, layout="channels_last")
        finally:
            npconv._core._set_guard_pages(0)
        np.testing.assert_array_equal(first, np.broadcast_to(bias[:, None, None], (2, 5, *size)))
        np.testing.assert_array_equal(last, np.broadcast_to(bias, (2, *size, 5)))
