# SPDX-License-Identifier: BSD-3-Clause
"""The design page's rules on plan_conv and ConvPlan. One test a rule, whose name says it."""

from __future__ import annotations

import copy
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import npconv
import numpy as np
import pytest
from npconv import _core
from rules import CONV, KERNEL, RANKS, SPATIAL, ints, oracle, problem, same, to_last

pytestmark = pytest.mark.machine

every_rank = pytest.mark.parametrize("rank", RANKS)

# ---- the input's shape -------------------------------------------------------------------------------------


@every_rank
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_plan_computes_what_the_function_does(rank: int, dtype: str) -> None:
    x, w, bias = problem(rank, dtype)
    how: dict[str, Any] = {"stride": 2, "padding": "full", "dilation": 2, "flip": True, "activation": "relu"}
    for mode in ("zeros", "circular"):
        plan = npconv.plan_conv(x.shape, w, bias, padding_mode=mode, **how)
        same(plan(x), CONV[rank](x, w, bias, padding_mode=mode, **how))
    plan = npconv.plan_conv(to_last(x, rank).shape, w, bias, layout="channels_last", **how)
    same(plan(to_last(x, rank)), to_last(CONV[rank](x, w, bias, **how), rank))


@every_rank
def test_x_shape_with_none_takes_any_batch(rank: int) -> None:
    x, w, bias = problem(rank, batch=5)
    plan = npconv.plan_conv((None, *x.shape[1:]), w, bias, padding="same")
    for batch in (1, 5, 0, 3):
        same(plan(x[:batch]), oracle(rank, x[:batch], w, bias, padding="same"))


@every_rank
def test_x_shape_may_lack_the_batch(rank: int) -> None:
    x, w, bias = problem(rank)
    plan = npconv.plan_conv(x.shape[1:], w, bias)
    same(plan(x[1]), oracle(rank, x, w, bias)[1])


@pytest.mark.parametrize("rank", [1, 2])
def test_x_shape_and_w_of_spatial_axes_alone_are_one_channel(rank: int) -> None:
    x, w, bias = ints(SPATIAL[rank]), ints(KERNEL[rank], seed=1), ints((1,), seed=2)
    same(npconv.plan_conv(x.shape, w, bias)(x), oracle(rank, x, w, bias))


def test_three_axes_each_are_read_as_1d() -> None:
    x, w = ints((2, 3, 9)), ints((4, 3, 3), seed=1)
    same(npconv.plan_conv(x.shape, w)(x), npconv.conv1d(x, w))
    with pytest.raises(ValueError, match="channels"):
        npconv.plan_conv((5, 6, 7), ints((2, 3, 2)))


def test_x_shape_may_be_a_list_of_numpy_ints() -> None:
    x, w, _ = problem(2)
    shape = [np.int32(n) for n in x.shape]
    same(npconv.plan_conv(shape, w)(x), npconv.conv2d(x, w))
    same(npconv.plan_conv([None, *shape[1:]], w).for_shape(shape)(x), npconv.conv2d(x, w))


def test_what_the_caller_changes_later_does_not_change_the_plan() -> None:
    """Lists given as arguments are read once."""
    x, w, _ = problem(2)
    shape, padding, stride, dilation, activation = [*x.shape], [2, 1], [2, 1], [1, 2], ["leaky_relu", 0.5]
    how: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "activation": activation,
    }
    plan = npconv.plan_conv(shape, w, **how)
    want = npconv.conv2d(x, w, **how)
    for given in (shape, padding, stride, dilation):
        given[:] = [3] * len(given)
    activation[1] = 100.0
    same(plan(x), want)
    same(plan.for_shape(x.shape)(x), want)


# ---- calling -----------------------------------------------------------------------------------------------


@every_rank
def test_residual_and_out_are_given_to_the_call(rank: int) -> None:
    x, w, bias = problem(rank)
    plan = npconv.plan_conv(x.shape, w, bias, activation="relu")
    plain = oracle(rank, x, w, bias)
    residual = ints(plain.shape, seed=4)
    want = np.maximum(plain + residual, 0)
    same(plan(x, residual=residual), want)
    out = np.full_like(want, np.nan)
    assert plan(x, residual=residual, out=out) is out
    same(out, want)
    assert plan(x, residual=residual, out=residual) is residual
    same(residual, want)


@every_rank
def test_plans_copy_their_weights_and_bias(rank: int) -> None:
    x, w, bias = problem(rank)
    want = oracle(rank, x, w, bias)
    for algorithm in ("gemm", "naive"):
        for weights, b in ((w.copy(), bias.copy()), (np.flip(np.flip(w).copy()), bias[::-1].copy()[::-1])):
            plan = npconv.plan_conv(x.shape, weights, b, algorithm=algorithm)
            weights[...] = np.nan
            b[...] = np.nan
            same(plan(x), want)


def test_out_may_be_the_memory_that_the_weights_came_from() -> None:
    x, w, bias = ints((4, 4, 5)), ints((4, 4, 5), seed=1), ints((4,), seed=2)
    plan = npconv.plan_conv((4, 4, 5), w, bias, padding="same", algorithm="gemm")  # exact
    want = oracle(1, x, w, bias, padding="same")
    assert plan(x, out=w) is w
    same(w, want)


def test_a_plan_may_be_called_from_several_threads_at_once() -> None:
    w, bias = ints((33, 8, 3, 3), seed=1), ints((33,), seed=2)
    plan = npconv.plan_conv((None, 8, 20, 20), w, bias, padding=1, activation="relu", algorithm="gemm")
    inputs = [ints((1 + i % 3, 8, 20, 20), seed=i) for i in range(6)]
    wanted = [oracle(2, x, w, bias, padding=1, activation="relu") for x in inputs]
    start = threading.Barrier(8)

    def work(first: int) -> None:
        start.wait()
        for i in range(first, first + 12):
            same(plan(inputs[i % 6]), wanted[i % 6])

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, i) for i in range(8)]:
            done.result()


def test_a_plan_keeps_nothing_of_one_call_for_the_next() -> None:
    x, w, bias = problem(2)
    plan = npconv.plan_conv(x.shape, w, bias, padding=1)
    plan(np.full_like(x, np.nan), residual=np.full((2, 4, 7, 9), np.nan, np.float32))
    same(plan(x), oracle(2, x, w, bias, padding=1))


# ---- for_shape and update_weights --------------------------------------------------------------------------


@every_rank
def test_for_shape_plans_another_input_shape(rank: int) -> None:
    _, w, bias = problem(rank)
    how: dict[str, Any] = {"stride": 2, "dilation": 2, "activation": "relu6", "padding_mode": "reflect"}
    first = npconv.plan_conv((None, 3, *[9] * rank), w, bias, padding="same", **how)
    for batch, size in ((1, 5), (2, 12), (None, 17)):
        other = first.for_shape((batch, 3, *[size] * rank))
        x = ints((batch or 4, 3, *[size] * rank), seed=size)
        same(other(x), oracle(rank, x, w, bias, padding="same", **how))
        assert other.algorithm == first.algorithm
        assert other.packed_bytes == first.packed_bytes
        assert other.x_shape == (batch, 3, *[size] * rank)
    x = ints((2, 3, *[9] * rank), seed=4)
    same(first(x), oracle(rank, x, w, bias, padding="same", **how))


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_for_shape_keeps_layout_groups_flip_and_algorithm(layout: str) -> None:
    w, bias = ints((6, 2, 3, 2)), ints((6,), seed=1)
    how: dict[str, Any] = {"groups": 2, "flip": True, "padding": ((0, 1), (2, 0))}
    last = layout == "channels_last"
    shapes = [(1, 5, 6, 4), (2, 8, 3, 4)] if last else [(1, 4, 5, 6), (2, 4, 8, 3)]
    plan = npconv.plan_conv(shapes[0], w, bias, layout=layout, algorithm="naive", **how).for_shape(shapes[1])
    x = ints((2, 4, 8, 3), seed=2)
    want = oracle(2, x, w, bias, **how)
    assert plan.algorithm == "naive"
    same(plan(to_last(x, 2) if last else x), to_last(want, 2) if last else want)


def test_for_shape_shares_the_packed_weights() -> None:
    """It allocates none of its own."""
    plan = npconv.plan_conv((None, 64, 8), ints((48, 64, 3)), ints((48,)))
    made = _core._buffer_bytes_made()
    others = [plan.for_shape((None, 64, n)) for n in range(3, 20)]
    assert _core._buffer_bytes_made() == made
    assert all(other.packed_bytes == plan.packed_bytes > 0 for other in others)


@every_rank
def test_update_weights_puts_others_in_place(rank: int) -> None:
    x, w, bias = problem(rank)
    plan = npconv.plan_conv(x.shape, w, bias, padding=1, flip=True)
    w2, b2 = ints(w.shape, seed=11), ints(bias.shape, seed=12)
    assert plan.update_weights(np.asfortranarray(w2), b2) is None
    same(plan(x), oracle(rank, x, w2, b2, padding=1, flip=True))
    w2[...] = np.nan  # these too are copied
    plan.update_weights(w.astype(w.dtype.newbyteorder()), bias=bias)
    same(plan(x), oracle(rank, x, w, bias, padding=1, flip=True))


def test_update_weights_without_bias_keeps_the_present_one() -> None:
    x, w, bias = problem(2)
    w2 = ints(w.shape, seed=11)
    plan = npconv.plan_conv(x.shape, w, bias)
    plan.update_weights(w2)
    same(plan(x), oracle(2, x, w2, bias))
    without = npconv.plan_conv(x.shape, w)
    without.update_weights(w2)
    same(without(x), oracle(2, x, w2))
    without.update_weights(w, bias)
    same(without(x), oracle(2, x, w, bias))


@pytest.mark.parametrize("algorithm", ["gemm", "naive"])
def test_update_weights_of_one_plan_does_not_alter_those_that_share(algorithm: str) -> None:
    x, w, bias = problem(2)
    w2, b2 = ints(w.shape, seed=11), ints(bias.shape, seed=12)
    first = npconv.plan_conv(x.shape, w, bias, algorithm=algorithm)
    second, third = first.for_shape(x.shape), first.for_shape(x.shape)
    first.update_weights(w2, b2)
    third.update_weights(w2)
    same(first(x), oracle(2, x, w2, b2))
    same(second(x), oracle(2, x, w, bias))
    same(third(x), oracle(2, x, w2, bias))
    del first
    same(second(x), oracle(2, x, w, bias))


def test_update_weights_while_calls_run_gives_each_call_one_set_of_weights() -> None:
    x = np.ones((4, 16, 24, 24), np.float32)
    sets = [np.full((16, 16, 3, 3), v, np.float32) for v in (1, 2, 3)]
    biases = [np.full(16, 1000 * v, np.float32) for v in (1, 2, 3)]
    plan = npconv.plan_conv(x.shape, sets[0], biases[0], algorithm="gemm")
    stop = threading.Event()

    def update() -> None:
        i = 0
        while not stop.is_set():
            i += 1
            plan.update_weights(sets[i % 3], biases[i % 3])

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(update)
        try:
            seen = [np.unique(plan(x)) for _ in range(40)]
        finally:
            stop.set()
        done.result()
    right = {float(v * 16 * 9 + 1000 * v) for v in (1, 2, 3)}
    assert all(len(values) == 1 and float(values[0]) in right for values in seen), seen


# ---- properties --------------------------------------------------------------------------------------------


def test_algorithm_is_the_name_of_the_chosen_one() -> None:
    x, w, _ = problem(2)
    for asked in ("gemm", "naive"):
        assert npconv.plan_conv(x.shape, w, algorithm=asked).algorithm == asked
    assert npconv.plan_conv(x.shape, w).algorithm == "gemm"


@pytest.mark.parametrize("rank", [1, 2])
def test_output_shape_is_that_of_the_result_with_none_for_any_batch(rank: int) -> None:
    x, w, _ = problem(rank)
    for xs in (x, x[0]):
        plan = npconv.plan_conv(xs.shape, w, padding=1, stride=2)
        assert plan.output_shape == plan(xs).shape
    free = npconv.plan_conv((None, *x.shape[1:]), w, padding=1, stride=2)
    assert free.output_shape == (None, *free(x).shape[1:])
    last = npconv.plan_conv((None, *to_last(x, rank).shape[1:]), w, layout="channels_last")
    assert last.output_shape == (None, *last(to_last(x, rank)).shape[1:])
    assert (
        npconv.plan_conv(x.shape[2:], w[0, 0]).output_shape
        == npconv.plan_conv(x.shape[2:], w[0, 0])(x[0, 0]).shape
    )
    assert all(type(n) is int for n in npconv.plan_conv(x.shape, w).output_shape)


@every_rank
@pytest.mark.parametrize("groups", [1, 3])
def test_flops_are_two_for_each_product_of_the_definition(rank: int, groups: int) -> None:
    x, w = ints((5, 6, *SPATIAL[rank])), ints((12, 6 // groups, *KERNEL[rank]))
    how: dict[str, Any] = {"groups": groups, "padding": 2, "stride": 2}
    plan = npconv.plan_conv(x.shape, w, **how)
    assert plan.flops == 2 * math.prod(plan.output_shape) * w[0].size
    assert type(plan.flops) is int
    assert npconv.plan_conv((None, *x.shape[1:]), w, **how).flops * 5 == plan.flops


def test_packed_bytes_are_at_least_those_of_weights_and_bias() -> None:
    """And no more than rounding the channels of a group up to whole vectors of 64 bytes makes of them."""
    w, bias = ints((30, 7, 3, 3)), ints((30,))
    for algorithm in ("gemm", "naive"):
        plan = npconv.plan_conv((1, 7, 9, 9), w, algorithm=algorithm)
        with_bias = npconv.plan_conv((1, 7, 9, 9), w, bias, algorithm=algorithm)
        assert w.nbytes <= plan.packed_bytes <= w.nbytes * 32 // 30
        assert bias.nbytes <= with_bias.packed_bytes - plan.packed_bytes <= 128
        assert type(plan.packed_bytes) is int


def test_workspace_bytes_are_at_most_6_mb_a_thread_and_grow_with_the_threads() -> None:
    w = ints((64, 32, 3, 3))
    for size in (16, 64, 8192):
        one, two = (
            npconv.plan_conv((8, 32, size, size), w, padding=1, num_threads=n).workspace_bytes for n in (1, 2)
        )
        assert type(one) is int
        assert 0 < one <= 6_000_000
        assert two == 2 * one


def test_workspace_bytes_of_a_plan_for_any_batch_suffice_for_every_batch() -> None:
    """Small batches may be cut otherwise than large ones, and use fewer threads."""
    w = ints((512, 64, 3, 3))
    free = npconv.plan_conv((None, 64, 7, 7), w, padding=1, num_threads=4)
    for batch in (1, 2, 4, 8, 64):
        fixed = npconv.plan_conv((batch, 64, 7, 7), w, padding=1, num_threads=4)
        assert free.workspace_bytes >= fixed.workspace_bytes


def test_explain_tells_what_was_chosen_and_why() -> None:
    x, w, bias = problem(2)
    for asked in ("auto", "measure", "naive"):
        plan = npconv.plan_conv(x.shape, w, bias, algorithm=asked, padding="same", padding_mode="reflect")
        text = plan.explain()
        assert isinstance(text, str)
        for mentioned in (
            plan.algorithm,
            asked,
            "gemm",  # the candidates
            "naive",
            "cycles",  # what they were judged by
            "float32",
            "reflect",
            "channels first",
            f"workspace {plan.workspace_bytes} bytes",
            f"packed weights {plan.packed_bytes} bytes",
            f" {plan.flops}",
            "error",
        ):
            assert mentioned in text, f"{mentioned!r} is not in:\n{text}"
        assert plan.algorithm == "naive" or _core._isa() in text


def test_measure_times_the_candidates_and_says_so() -> None:
    x, w, bias = problem(2)
    plan = npconv.plan_conv(x.shape, w, bias, padding=1, algorithm="measure")
    assert "measured" in plan.explain()
    assert plan.algorithm in ("gemm", "direct", "winograd")
    same(plan(x), oracle(2, x, w, bias, padding=1))
    free = npconv.plan_conv((None, *x.shape[1:]), w, bias, algorithm="measure")
    same(free(x), oracle(2, x, w, bias))
    same(free.for_shape(x.shape)(x), oracle(2, x, w, bias))
    empty = npconv.plan_conv((0, *x.shape[1:]), w, bias, algorithm="measure")
    assert empty(x[:0]).shape == (0, 4, 5, 7)


def test_repr_of_a_plan_says_what_it_is() -> None:
    plan = npconv.plan_conv((None, 3, 7, 8), problem(2)[1])
    assert repr(plan) == "<npconv.ConvPlan (None, 3, 7, 8) -> (None, 4, 5, 7), gemm>"


def test_a_copy_of_a_plan_is_a_plan_of_its_own() -> None:
    x, w, _ = problem(2)
    plan = npconv.plan_conv((None, *x.shape[1:]), w)
    before = plan(x)
    for copied in (copy.copy(plan), copy.deepcopy(plan)):
        copied.update_weights(2 * w)
        same(copied(x), 2 * before)
        same(plan(x), before)
