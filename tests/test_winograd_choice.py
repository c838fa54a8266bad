# SPDX-License-Identifier: BSD-3-Clause
"""Which of Winograd's tiles are taken: as large as their error allows, fewer products before more.

Of some kernels as they are told to be, of few channels and of many; of random shapes by the rules as the
tests have them (winograd_tiles.py); and what explain() tells of them.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

import npconv
import numpy as np
import pytest
import reference
from cases import Case, forced
from npconv import _core
from winograd_cases import ALGORITHMS
from winograd_tiles import axes, choice, served

pytestmark = pytest.mark.machine

# Of an axis: outputs of a tile, taps, runs of taps. Axes without taps are left out.
Axis = tuple[int, int, int]
CHANNELS = (8, 256, 2048)


def same(axis: Axis) -> tuple[Axis, Axis]:
    """Along height and width."""
    return axis, axis


# kernel, stride: the tiles with 8, 256 and 2048 channels
TILES: dict[tuple[tuple[int, ...], int], list[tuple[Axis, ...]]] = {
    ((2,), 1): [((5, 2, 1),)] * 3,
    ((3,), 1): [((6, 3, 1),)] * 3,
    ((4,), 1): [((4, 4, 1),)] * 3,
    ((5,), 1): [((4, 5, 1),)] * 3,
    ((6,), 1): [((4, 6, 1),)] * 3,
    ((7,), 1): [((3, 7, 1),)] * 3,
    ((8,), 1): [((4, 4, 2),)] * 3,
    ((9,), 1): [((5, 5, 2),)] * 2 + [((3, 3, 3),)],
    ((16,), 1): [((4, 4, 4),)] * 3,
    ((2, 2), 1): [same((5, 2, 1))] * 3,
    ((3, 3), 1): [same((4, 3, 1))] * 3,
    ((4, 4), 1): [same((4, 4, 1))] * 2 + [same((3, 4, 1))],
    ((5, 5), 1): [same((3, 5, 1))] * 2 + [same((2, 5, 1))],
    ((6, 6), 1): [same((3, 3, 2))] * 3,
    ((7, 7), 1): [same((4, 4, 2))] + [((1, 1, 7), (4, 4, 2))] * 2,
    ((3, 5), 1): [((4, 3, 1), (3, 5, 1))] * 3,
    ((1, 7), 1): [((3, 7, 1),)] * 3,
    ((7, 1), 1): [((3, 7, 1),)] * 3,
    ((3, 7), 1): [((4, 3, 1), (4, 4, 2))] * 2 + [((4, 3, 1), (3, 3, 3))],
    ((7, 7), 2): [same((4, 4, 1))] * 2 + [((1, 1, 4), (4, 4, 1))],  # of each phase four taps
    ((3, 3, 3), 1): [((1, 1, 3), *same((4, 3, 1)))] * 3,
    ((5, 5, 5), 1): [
        ((1, 1, 5), *same((3, 5, 1))), ((1, 1, 5), *same((2, 5, 1))), ((1, 1, 5), (1, 1, 5), (3, 5, 1)),
    ],
}  # fmt: skip


def taken(case: Case) -> tuple[Axis, ...]:
    """As the extension says."""
    cut = axes("winograd", case)
    told = [(axis["outputs"], axis["taps"], axis["runs"]) for axis in cut]
    return tuple(axis for axis in told if axis != (1, 1, 1))


@pytest.mark.parametrize(("kernel", "stride"), TILES)
def test_the_tiles_of_a_kernel(kernel: tuple[int, ...], stride: int) -> None:
    found = [taken(Case((60,) * len(kernel), kernel, cin=n, stride=stride)) for n in CHANNELS]
    assert found == TILES[kernel, stride]


def test_of_one_channel_they_are_larger() -> None:
    """There is little to round."""
    for kernel, larger in (((5, 5), same((4, 5, 1))), ((3, 5), ((6, 3, 1), (4, 5, 1)))):
        assert taken(Case((60, 60), kernel)) == larger
        assert taken(Case((60, 60), kernel, cin=8)) != larger


@pytest.mark.parametrize(
    ("kernel", "channels", "height", "width"),
    [
        ((7, 7), 16, (1, 1, 7), (3, 7, 1)),
        ((11, 11), 16, (1, 1, 11), (4, 4, 3)),
        ((11, 11), 1024, (1, 1, 11), (4, 4, 3)),
        ((8, 8), 2048, (1, 1, 8), (4, 4, 2)),
        ((11, 11), 3, (4, 4, 3), (4, 4, 3)),
        ((9, 9), 3, (3, 3, 3), (3, 3, 3)),
        ((9, 9), 1024, (3, 3, 3), (3, 3, 3)),
    ],
)
def test_the_taps_of_the_height_are_summed_where_that_is_what_the_error_allows(
    kernel: tuple[int, int], channels: int, height: Axis, width: Axis
) -> None:
    """One transform errs less than two, so that the tiles of the width may be larger."""
    assert taken(Case((60, 60), kernel, cin=channels)) == (height, width)


def test_tiles_of_dilated_outputs_are_alike_and_of_the_fewest_points() -> None:
    for outputs, expected in ((40, 4), (12, 3), (9, 3), (5, 3), (4, 2)):  # in two phases
        case = Case((outputs + 4,), (3,), cin=8, dilation=2)
        assert axes("winograd_f2", case)[2]["outputs"] <= 2
        assert axes("winograd", Case((12, outputs + 4), (3, 3), cin=8, dilation=2))[2]["outputs"] == expected
        assert axes("winograd", case)[2]["alike"]


def random_shape(r: random.Random) -> Case:
    rank = r.choice((1, 2, 3))
    kernels = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 31)

    def drawn(numbers: tuple[int, ...]) -> list[int]:
        return [r.choice(numbers) for _ in range(rank)]

    outputs, kernel = drawn((1, 2, 3, 7, 20)), drawn(kernels)
    stride, dilation = drawn((1, 1, 1, 2, 3, 5)), drawn((1, 1, 1, 2, 3, 5))
    spatial = tuple(
        (o - 1) * s + d * (k - 1) + 1 for o, k, s, d in zip(outputs, kernel, stride, dilation, strict=True)
    )
    channels = r.choice((1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192))
    return Case(spatial, tuple(kernel), cin=channels, stride=tuple(stride), dilation=tuple(dilation))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_served_and_how_depends_on_outputs_kernel_stride_dilation_and_channels(
    algorithm: str,
) -> None:
    r = random.Random(3)
    answers: Counter[bool] = Counter()
    for _ in range(3000):
        case = random_shape(r)
        try:
            cut = axes(algorithm, case)
        except ValueError:
            cut = ()
        assert bool(cut) == served(algorithm, case), case
        answers[bool(cut)] += 1
        if cut and algorithm == "winograd":
            told = [(axis["points"], axis["taps"], axis["outputs"], axis["runs"]) for axis in cut]
            assert told == [(*a.transform, a.outputs, a.runs) for a in choice(case) or ()], case
    assert min(answers[True], answers[False]) > 100


# ---- what the docstring of `algorithm=` says ---------------------------------------------------------------


def documented(algorithm: str, case: Case) -> bool:
    """Does the docstring of conv2d say that it serves? Of short kernels: error and workspace allow them."""
    kernel, stride, dilation, pixels = (
        list(reference.per_axis(v, case.rank)) for v in (case.kernel, case.stride, case.dilation, case.pixels)
    )
    if algorithm == "depthwise":
        return case.cin == case.groups
    if algorithm == "direct":
        return 1 <= case.cout // case.groups <= 8
    for k, s, d, n in zip(kernel, stride, dilation, pixels, strict=True):
        if k > 1 and d > 1 and (s > 1 or d >= n):
            return False
    if case.rank == 3:
        alone = kernel[0] > 1 and kernel[1:] == stride[1:] == [1, 1] and case.padding == 0
        kernel, stride = (kernel[:1], stride[:1]) if alone else (kernel[1:], stride[1:])
    if all(k <= s for k, s in zip(kernel, stride, strict=True)):
        return False
    taps = {-(-k // min(k, s)) for k, s in zip(kernel, stride, strict=True)}
    return algorithm == "winograd" or taps <= {1, 3}


def kernels_strides_dilations() -> list[Case]:
    """All of an axis in one dimension, all alike along both of two, and random ones of two and three."""
    each = list(itertools.product(range(1, 13), range(1, 5), range(1, 4)))
    drawn = [((k,), (s,), (d,)) for k, s, d in each] + [((k, k), (s, s), (d, d)) for k, s, d in each]
    r = random.Random(4)
    for rank, times in ((2, 500), (3, 200)):
        for _ in range(times):
            axes_ = [r.choice(each) for _ in range(rank)]
            if rank == 3:  # often along the depth alone; no long kernels, to be quick
                axes_ = [(min(k, 4), s, d) for k, s, d in axes_]
                axes_[1:] = (
                    axes_[1:] if r.random() < 0.6 else [(1, r.choice((1, 1, 2)), d) for _, _, d in axes_[1:]]
                )
            drawn.append(tuple(zip(*axes_, strict=True)))  # type: ignore[arg-type]
    cases_ = []
    for kernel, stride, dilation in drawn:
        outputs = [r.choice((2, 3, 5, 8)) for _ in kernel]
        padding = r.choice((0, 0, 1)) if min(kernel) > 1 or len(kernel) == 3 else 0
        spatial = tuple(
            max(1, (n - 1) * s + d * (k - 1) + 1 - 2 * padding)
            for n, k, s, d in zip(outputs, kernel, stride, dilation, strict=True)
        )
        groups, cin, cout = r.choice(((1, 2, 3), (1, 1, 2), (2, 2, 4), (1, 3, 12)))
        shape: dict[str, Any] = {"stride": stride, "dilation": dilation, "padding": padding}
        cases_.append(Case(spatial, kernel, cin=cin, cout=cout, groups=groups, **shape))
    return cases_


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "depthwise", "direct", "gemm", "naive"])
def test_the_docstring_says_what_is_served(algorithm: str) -> None:
    """Kernels of 1 to 12, strides of 1 to 4, dilations of 1 to 3; of those refused there is a reason."""
    answers: Counter[bool] = Counter()
    for case in kernels_strides_dilations():
        w = np.zeros((case.cout, case.cin // case.groups, *case.kernel), np.float32)
        how: Any = {k: v for k, v in case.keywords.items() if k != "flip"} | {"padding": case.padding}
        expected = algorithm in ("gemm", "naive") or documented(algorithm, case)
        answers[expected] += 1
        if expected:
            plan = npconv.plan_conv((1, case.cin, *case.spatial), w, algorithm=algorithm, **how)
            assert plan.algorithm == algorithm
        else:
            with pytest.raises(ValueError, match=rf'^algorithm="{algorithm}" cannot serve here: \w.{{8}}'):
                npconv.plan_conv((1, case.cin, *case.spatial), w, algorithm=algorithm, **how)
    assert min(answers[True], answers[False]) >= 30 or algorithm in ("gemm", "naive"), answers


def test_a_refusal_tells_the_sizes_that_are_its_reason() -> None:
    for kernel, how, told in (
        ((3, 3), {"stride": 3}, r"longer than the stride along height or width .* 3 x 3 with stride 3 x 3$"),
        ((1, 1), {}, "longer than the stride along height or width .* 1 x 1 with stride 1 x 1$"),
        ((3, 3), {"stride": 2, "dilation": 3}, "one has stride 2 and dilation 3$"),
        ((3, 3), {"dilation": 9}, r"less than the outputs of its axis; here it is 9 with 2 output\(s\)$"),
        ((3, 1, 1), {"padding": 1}, "along the depth alone in a convolution without stride and padding"),
    ):  # fmt: skip
        w = np.zeros((4, 3, *kernel), np.float32)
        with pytest.raises(ValueError, match=told):
            npconv.plan_conv((1, 3, *(20,) * len(kernel)), w, algorithm="winograd", **how)


def test_each_transform_is_taken_by_some_shape() -> None:
    r = random.Random(3)
    found = set()
    for case in (random_shape(r) for _ in range(3000)):
        if served("winograd", case):
            found |= {tiles.transform for tiles in choice(case) or ()}
    assert found == {
        (1, 1), (6, 2), (6, 3), (6, 4), (6, 5), (7, 4), (7, 5), (8, 3), (8, 5), (9, 5), (9, 6), (9, 7)
    }  # fmt: skip


# ---- what explain() tells ----------------------------------------------------------------------------------


def test_explain_tells_the_tiles() -> None:
    for case, told in (
        (Case((20, 20), (3, 3), cin=16, cout=16), "4 tile(s) of 4 and one of 2 output(s), 3 tap(s)\n"),
        (Case((30, 30), (7, 7), cin=3, cout=16), "6 tile(s) of 4 output(s), 4 tap(s) in 2 runs\n"),
        (Case((33, 33), (7, 7), cin=3, stride=2), "4 tap(s) of each of 2 phases of the input\n"),
        (Case((30, 30), (3, 3), cin=3, dilation=2), "3 tap(s), for each of 2 phases of the output\n"),
    ):
        assert told in explained(case, "winograd")


def explained(case: Case, algorithm: str) -> str:
    w = np.ones((case.cout, case.cin, *case.kernel), np.float32)
    how: Any = {"stride": case.stride, "dilation": case.dilation, "algorithm": algorithm}
    return npconv.plan_conv((1, case.cin, *case.spatial), w, **how).explain()


@pytest.mark.parametrize("algorithm", ["auto", "gemm", "naive", *ALGORITHMS])
def test_explain_compares_every_algorithm_with_the_choice(algorithm: str) -> None:
    text = explained(Case((30, 30), (3, 3), cin=32, cout=32), algorithm)
    chosen = next(line for line in text.splitlines() if line.startswith("algorithm")).split()[1]
    for name in ("gemm", "naive", *ALGORITHMS):
        (line,) = (line for line in text.splitlines() if line.startswith(f"  {name} "))
        assert "cycles on one thread" in line
        assert ("times the choice" in line) == (name != chosen)
        assert ("only by name" in line) == (name in ("naive", "winograd_f2", "winograd_f6"))


def test_explain_tells_why_an_algorithm_cannot_serve() -> None:
    text = explained(Case((15, 15), (5, 5), cin=3), "auto")
    assert text.count("cannot serve: the kernel must have three taps along height and width") == 2
    text = explained(Case((15, 15), (15, 15), cin=16), "gemm")
    assert "cannot serve: the error of its sums of products would be too large" in text


# ---- hooks of the tests and of bench/calibrate.py ----------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["gemm", "naive", *ALGORITHMS])
def test_the_work_of_a_plan_is_counted(algorithm: str) -> None:
    """By kinds of work: of a call, and of packing the weights; of two images twice as much."""
    w = np.ones((32, 16, 3, 3), np.float32)
    one, two = (npconv.plan_conv((n, 16, 20, 20), w, algorithm=algorithm)._plan for n in (1, 2))
    work, packing = one._work(), one._work(packing=True)
    assert packing["packed_call"] == 1
    assert packing["packed_tap"] >= w.size
    assert packing == two._work(packing=True)
    family = {"gemm": ("gemm_", "pixel_"), "naive": ("naive_",)}.get(algorithm, ("winograd_",))
    assert all(name.startswith(family) for name in work)
    product = {"gemm": "gemm_product", "naive": "naive_product"}.get(algorithm, "winograd_output")
    assert two._work()[product] == pytest.approx(2 * work[product])


@pytest.mark.parametrize("name", _core._isa_names())
def test_each_instruction_set_has_rates_of_its_own(name: str) -> None:
    with forced(name):
        assert _core._rates_name().startswith(f"rates_of_{_core._vector_bytes()}_bytes")
        assert _core._products_per_cycle() in ((1, 2) if _core._vector_bytes() == 64 else (2,))


@pytest.mark.parametrize("lane", ["channel", "pixel"])
def test_the_lane_of_gemm_may_be_forced(lane: str, isa: str) -> None:
    rng = np.random.default_rng(1)
    x, w = rng.integers(-4, 4, (1, 5, 9, 10)), rng.integers(-4, 4, (6, 5, 3, 3))
    x, w = x.astype(np.float32), w.astype(np.float32)
    want = npconv.conv2d(x, w, algorithm="gemm")
    _core._set_lane(lane)
    try:
        plan = npconv.plan_conv(x.shape, w, algorithm="gemm")
        assert plan(x).tobytes() == want.tobytes()
    finally:
        _core._set_lane("automatic")
