# SPDX-License-Identifier: BSD-3-Clause
"""Plans of pooling: what the functions give, bit by bit, for every call of the plan; and what plans tell."""

from __future__ import annotations

import copy
import itertools
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import cases
import npconv
import numpy as np
import pytest
from npconv import _core
from pool_cases import DTYPES, FLOATS, LAYOUTS, Pool, values
from reference import Array
from rules import canary, misaligned, same

MAKERS: dict[str, Any] = {
    "max": npconv.plan_max_pool,
    "avg": npconv.plan_avg_pool,
    "lp": npconv.plan_lp_pool,
}
every_kind = pytest.mark.parametrize("op", MAKERS)
every_layout = pytest.mark.parametrize("layout", LAYOUTS)

# One of each way in which windows are pooled, and of each form of their arguments.
POOLS = [
    Pool("max", (112, 112), 3, channels=8, stride=2, padding=1),
    Pool("max", (31, 33), 2, batch=3, channels=5),
    Pool(
        "max", (20, 21), (3, 4), batch=2, channels=7, stride=(1, 2), padding=((1, 0), (2, 3)), dilation=(2, 1)
    ),
    Pool("max", (40,), 17, batch=2, channels=3, stride=1, padding="same"),
    Pool("max", (7, 8, 9), (2, 3, 2), batch=2, channels=4, padding="causal", ceil=True),
    Pool("max", (9, 9), 3, batch=None, channels=1, single=True, stride=2),
    Pool("max", (3, 4), (2, 2), batch=None, channels=20, padding=1),
    Pool("max", (5, 900), (2, 700), batch=2, channels=2, stride=1, padding="full", dilation=(1, 3)),
    Pool("avg", (31, 33), 2, batch=3, channels=5, padding=1, include=False),
    Pool("avg", (30, 31), 9, batch=2, channels=3, stride=1, padding="same", include=False),
    Pool("avg", (64, 65), 7, batch=2, channels=20, stride=3, divisor=-5, ceil=True),
    Pool("avg", (200,), 50, batch=2, channels=3, stride=3, padding=20),
    Pool("avg", (6, 7, 8), 3, channels=2, stride=1, padding="full"),
    Pool("avg", (7, 5), (2, 3), batch=None, channels=3),
    Pool("lp", (31, 33), 2, batch=3, channels=5, norm=3, data="normal"),
    Pool("lp", (50,), 9, batch=2, channels=3, stride=1, padding="same", norm=2.5, data="normal"),
    Pool("lp", (6, 7, 8), 3, channels=2, stride=2, norm=1, data="normal"),
]
every_pool = pytest.mark.parametrize("pool", POOLS, ids=repr)


def input_of(pool: Pool, dtype: str, layout: str, seed: int = 0) -> Array:
    x = values(pool.data, pool.x_shape, dtype, np.random.default_rng(seed))
    last = layout == "channels_last" and not pool.single
    return np.ascontiguousarray(np.moveaxis(x, -1 - pool.rank, -1)) if last else x


def size_of(pool: Pool) -> Any:
    """As a tuple, which says how many spatial axes there are."""
    return pool.size if isinstance(pool.size, tuple) else (pool.size,) * pool.rank


def planned(pool: Pool, x_shape: Any, **how: Any) -> Any:
    norm = (pool.norm,) if pool.op == "lp" else ()
    return MAKERS[pool.op](x_shape, *norm, size_of(pool), **pool.keywords, **how)


def plain(pool: Pool, x: Any, **how: Any) -> Any:
    return getattr(npconv, f"{pool.op}_pool{pool.rank}d")(x, *pool.arguments, **pool.keywords, **how)


def bits(result: Any) -> list[bytes]:
    return [a.tobytes() for a in (result if isinstance(result, tuple) else (result,))]


def dtypes(pool: Pool) -> tuple[str, ...]:
    return DTYPES if pool.op == "max" else FLOATS


@every_layout
@every_pool
def test_a_plan_gives_what_the_function_gives(pool: Pool, layout: str, isa: str) -> None:
    for dtype in dtypes(pool):
        x = input_of(pool, dtype, layout)
        for places in (False, True) if pool.op == "max" else (False,):
            more: dict[str, Any] = {"return_indices": True} if places else {}
            plan = planned(pool, x.shape, dtype=dtype, layout=layout, **more)
            want = plain(pool, x, layout=layout, **more)
            first = want[0] if places else want
            assert plan.x_shape == x.shape
            assert plan.output_shape == first.shape
            assert isinstance(plan, npconv.IndexedPoolPlan if places else npconv.PoolPlan)
            for _ in range(2):
                assert bits(plan(x)) == bits(want)
            out = canary(first.shape, dtype)
            got = plan(x, out=out)
            assert (got[0] if places else got) is out
            assert bits(got) == bits(want)


@every_layout
@every_pool
def test_any_strides_of_x_and_any_number_of_threads(pool: Pool, layout: str) -> None:
    x = input_of(pool, "float32", layout)
    plan = planned(pool, x.shape, layout=layout)
    want = bits(plain(pool, x, layout=layout))
    backwards = x[..., ::-1].copy()[..., ::-1]
    wide = np.repeat(x, 2, -1)[..., ::2]
    for strided in (backwards, wide, np.asfortranarray(x), misaligned(x), x.astype(">f4"), x.tolist()):
        array = np.asarray(strided, np.float32) if isinstance(strided, list) else strided
        assert bits(plan(array)) == want
    for threads in (1, 3):
        assert bits(planned(pool, x.shape, layout=layout, num_threads=threads)(x)) == want
        with npconv.num_threads(threads):
            assert bits(plan(x)) == want


@every_layout
@pytest.mark.parametrize("pool", [p for p in POOLS if p.batch is not None], ids=repr)
def test_a_plan_for_any_batch(pool: Pool, layout: str, isa: str) -> None:
    x = np.concatenate([input_of(pool, "float32", layout, seed) for seed in range(3)])
    plan = planned(pool, (None, *x.shape[1:]), layout=layout)
    assert plan.x_shape == (None, *x.shape[1:])
    assert plan.output_shape[0] is None
    for n in (0, 1, 2, len(x)):
        got = plan(x[:n])
        assert bits(got) == bits(plain(pool, x[:n], layout=layout))
        assert got.shape == (n, *plan.output_shape[1:])
    image = plan(x[1])
    same(image, plan(x[1:2])[0])
    out = canary((2, *plan.output_shape[1:]))
    assert plan(x[:2], out=out) is out
    same(out, plan(x[:2]))
    with pytest.raises(ValueError, match="x must have the shape that the plan was made for, with or without"):
        plan(x[:, :, 1:])


def test_many_images_are_pooled_as_few() -> None:
    x = np.random.default_rng(1).standard_normal((300, 5, 12, 13)).astype(np.float32)
    for maker, args in (
        (npconv.plan_avg_pool, (6,)),
        (npconv.plan_max_pool, (3,)),
        (npconv.plan_lp_pool, (3, 5)),
    ):
        plan = maker((None, *x.shape[1:]), *args, stride=1, padding=1)
        assert plan(x).tobytes() == np.concatenate([plan(one[None]) for one in x]).tobytes()


# ---- the number of axes ------------------------------------------------------------------------------------


@every_kind
def test_an_int_kernel_size_takes_x_shape_with_batch_and_channels(op: str) -> None:
    norm = (2,) if op == "lp" else ()
    for shape in ((2, 3, 9), (2, 3, 8, 9), (2, 3, 7, 8, 9), (None, 3, 9), (None, 3, 8, 9), [2, 3, 8, 9]):
        plan = MAKERS[op](shape, *norm, 2)
        assert plan.output_shape == (*shape[:2], *(n // 2 for n in shape[2:]))
    for shape in ((), (9,), (8, 9), (1, 1, 1, 8, 8, 8)):
        message = (
            f"x_shape must have 3, 4 or 5 axes, .* got x_shape {re.escape(str(shape))} and kernel_size 2"
        )
        with pytest.raises(ValueError, match=message):
            MAKERS[op](shape, *norm, 2)


@every_kind
def test_a_tuple_says_how_many_axes_are_spatial(op: str) -> None:
    norm = (2,) if op == "lp" else ()
    for n, lead in itertools.product((1, 2, 3), ((), (3,), (2, 3))):
        plan = MAKERS[op]((*lead, *[8] * n), *norm, [2] * n)
        assert plan.output_shape == (*lead, *[4] * n)
        assert MAKERS[op]((*lead, *[8] * n), *norm, np.full(n, 2)).output_shape == plan.output_shape
    for shape, size in (((2, 3, 8, 8), (2,)), ((8,), (2, 2)), ((2, 3, 8), (2, 2, 2, 2)), ((2, 3, 8), ())):
        with pytest.raises(ValueError, match=r"x_shape must have|kernel_size must be an int or a tuple of"):
            MAKERS[op](shape, *norm, size)
    with pytest.raises(ValueError, match="None for the batch only, and has no batch axis here"):
        MAKERS[op]((None, 8, 8), *norm, (2, 2))


# ---- wrong arguments ---------------------------------------------------------------------------------------

WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"x_shape": 8}, TypeError, "x_shape must be a tuple of ints"),
    ({"x_shape": (1, 2, -8, 8)}, ValueError, "x_shape must not have negative entries"),
    ({"x_shape": (1, 2, 8, None)}, ValueError, "x_shape may have None for the batch only"),
    ({"x_shape": (1, 2, 2**40, 2**40)}, ValueError, "64 bits"),
    ({"x_shape": (1, 2, 0, 8)}, ValueError, "x_shape must have at least one element"),
    ({"kernel_size": 2.0}, TypeError, "kernel_size must be an int"),
    ({"kernel_size": 0}, ValueError, "kernel_size must be at least 1"),
    ({"kernel_size": 9}, ValueError, "kernel_size must not be larger than the padded x_shape"),
    ({"stride": 0}, ValueError, "stride must be at least 1"),
    ({"stride": (1, 2, 3)}, ValueError, "stride must be an int or a tuple of 2 ints"),
    ({"padding": 3}, ValueError, "padding must be less than the kernel"),
    ({"padding": "some"}, ValueError, "padding must be one of"),
    ({"dilation": -1}, ValueError, "dilation must be at least 1"),
    ({"ceil_mode": 1}, TypeError, "ceil_mode must be a bool"),
    ({"layout": "NCHW"}, ValueError, "layout must be one of"),
    ({"dtype": "float16"}, TypeError, "dtype must be float32"),
    ({"dtype": ">f4"}, TypeError, "dtype must be float32"),
    ({"dtype": "number"}, TypeError, "dtype must be float32"),
    ({"num_threads": 0}, ValueError, "num_threads must be from 1"),
    ({"num_threads": 1.5}, TypeError, "num_threads must be None or an int"),
]


@every_kind
@pytest.mark.parametrize(("change", "error", "message"), WRONG, ids=lambda v: str(v)[:30])
def test_wrong_arguments(op: str, change: dict[str, Any], error: type[Exception], message: str) -> None:
    keywords = {"x_shape": (1, 2, 8, 8), "kernel_size": 2} | ({"norm_type": 2} if op == "lp" else {}) | change
    with pytest.raises((TypeError, ValueError)) as caught:
        MAKERS[op](**keywords)
    assert caught.type is error
    assert re.search(message, str(caught.value)), caught.value


def test_wrong_arguments_of_one_kind() -> None:
    shape = (1, 2, 8, 8)
    for call, error, message in (
        (
            lambda: npconv.plan_max_pool(shape, 2, return_indices=1),
            TypeError,
            "return_indices must be a bool",
        ),
        (lambda: npconv.plan_avg_pool(shape, 2, count_include_pad=0), TypeError, "count_include_pad must be"),
        (lambda: npconv.plan_avg_pool(shape, 2, divisor_override=0), ValueError, "divisor_override must be"),
        (lambda: npconv.plan_avg_pool(shape, 2, dtype=np.int32), TypeError, "float32 or float64, got"),
        (lambda: npconv.plan_lp_pool(shape, 0, 2), ValueError, "norm_type must be a finite number above 0"),
        (lambda: npconv.plan_lp_pool(shape, 2, 2, dtype="i1"), TypeError, "float32 or float64, got 'i1'"),
        (lambda: npconv.plan_max_pool(shape, 2, dtype="u2"), TypeError, "int16, int32 or int64, got 'u2'"),
        (npconv.PoolPlan, TypeError, "PoolPlan cannot be made directly; use npconv.plan_max_pool"),
        (npconv.IndexedPoolPlan, TypeError, "IndexedPoolPlan cannot be made directly"),
    ):
        with pytest.raises(error, match=message):
            call()


def test_wrong_arrays_leave_out_as_it_was() -> None:
    x = np.ones((2, 3, 8, 8), np.float32)
    for plan in (npconv.plan_max_pool(x.shape, 2), npconv.plan_max_pool(x.shape, 2, return_indices=True)):
        out = canary((2, 3, 4, 4))
        before = out.tobytes()
        for wrong, error, message in (
            (
                x[:1],
                ValueError,
                r"x must have the shape that the plan was made for, \(2, 3, 8, 8\); got \(1, 3",
            ),
            (x[0], ValueError, "x must have the shape that the plan was made for"),
            (x.astype("f8"), TypeError, "x must have the dtype of the plan, float32; got float64"),
            (np.ma.array(x), TypeError, "x is a masked array"),
            (None, TypeError, "x must have the dtype of the plan"),
        ):
            with pytest.raises(error, match=message):
                plan(wrong, out=out)
            assert out.tobytes() == before
        for wrong_out, error, message in (
            (np.empty((2, 3, 4, 5), np.float32), ValueError, "out must have the shape of the result"),
            (np.empty((2, 3, 4, 4)), TypeError, "out must have the dtype of the plan, float32"),
            (np.empty((2, 3, 4, 8), np.float32)[..., ::2], ValueError, "out must be C-contiguous"),
            (x[..., :4, :4], ValueError, "out must be C-contiguous|out must not overlap x"),
            (x.reshape(-1)[:96].reshape(2, 3, 4, 4), ValueError, "out must not overlap x"),
            ([], TypeError, "out must be a numpy.ndarray"),
        ):
            with pytest.raises(error, match=message):
                plan(x, out=wrong_out)
        assert (x == 1).all()


def test_a_batch_whose_result_does_not_fit_is_refused() -> None:
    plan = npconv.plan_max_pool((None, 1, 4), 2, stride=1, padding=1)
    x = np.broadcast_to(np.ones((1, 1, 4), np.float32), (2**58, 1, 4))
    with pytest.raises(ValueError, match="64 bits"):
        plan(x)


# ---- copies, other shapes, threads -------------------------------------------------------------------------


def copies(plan: Any) -> Iterator[Any]:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.loads(pickle.dumps(plan, protocol))
    yield copy.copy(plan)
    yield copy.deepcopy(plan)


@every_pool
def test_pickled_and_copied_plans(pool: Pool) -> None:
    x = input_of(pool, "float64", "channels_first")
    more: dict[str, Any] = {"return_indices": True} if pool.op == "max" else {}
    plan = planned(pool, x.shape, dtype="float64", num_threads=2, **more)
    for other in copies(plan):
        assert other is not plan
        assert type(other) is type(plan)
        for name in ("x_shape", "output_shape", "flops", "workspace_bytes", "packed_bytes", "algorithm"):
            assert getattr(other, name) == getattr(plan, name)
        assert repr(other) == repr(plan)
        assert other.explain() == plan.explain()
        assert bits(other(x)) == bits(plan(x))


def test_other_shapes() -> None:
    plan = npconv.plan_avg_pool((None, 3, 9, 9), 3, stride=2, padding=1, count_include_pad=False)
    x = np.random.default_rng(0).standard_normal((2, 5, 20, 31)).astype(np.float32)
    other = plan.for_shape(x.shape)
    assert other.x_shape == x.shape
    want = npconv.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
    assert other(x).tobytes() == want.tobytes()
    again = pickle.loads(pickle.dumps(other))
    assert again.x_shape == x.shape
    assert again(x).tobytes() == want.tobytes()
    assert plan.x_shape == (None, 3, 9, 9)
    with pytest.raises(ValueError, match="x_shape must have as many axes as the plan's"):
        plan.for_shape((3, 9, 9))
    with pytest.raises(ValueError, match="kernel_size must not be larger than the padded x_shape"):
        npconv.plan_max_pool((1, 3, 9, 9), 5).for_shape((1, 3, 9, 4))


def test_calls_from_several_threads() -> None:
    x = np.random.default_rng(0).standard_normal((4, 8, 40, 41)).astype(np.float32)
    plan = npconv.plan_max_pool((None, *x.shape[1:]), 3, stride=2, padding=1, return_indices=True)
    want = [bits(plan(x[:n])) for n in range(1, 5)]
    wrong: list[int] = []

    def run() -> None:
        for i in range(60):
            n = i % 4 + 1
            if bits(plan(x[:n])) != want[n - 1]:
                wrong.append(n)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# ---- what a plan tells -------------------------------------------------------------------------------------


def allocated(call: Callable[[Array], Any], x: Array) -> int:
    before = _core._buffer_bytes_made()
    call(x)
    return _core._buffer_bytes_made() - before


@every_layout
@pytest.mark.parametrize("threads", [1, 3])
def test_workspace_bytes_is_what_a_call_allocates(layout: str, threads: int, isa: str) -> None:
    for pool in POOLS:
        x = input_of(pool, "float32", layout)
        for places in (False, True) if pool.op == "max" else (False,):
            more: dict[str, Any] = {"return_indices": True} if places else {}
            plan = planned(pool, x.shape, layout=layout, num_threads=threads, **more)
            wide = np.repeat(x, 2, -1)[..., ::2]
            made = [allocated(plan, a) for a in (x, wide)]
            assert max(made) == plan.workspace_bytes, (pool, places, plan.explain())
            assert plan.workspace_bytes <= 6 * (1 << 20) * threads
            if pool.batch is not None:
                free = planned(pool, (None, *x.shape[1:]), layout=layout, num_threads=threads, **more)
                assert max(made) <= free.workspace_bytes <= 6 * (1 << 20) * threads


def test_windows_too_large_for_the_kernels() -> None:
    """Each way is taken, told, and gives what the function gives."""
    ways = {}
    for dtype, shape, size, how in (
        ("float32", (1, 1, 64), 9, {}),
        ("float32", (1, 1, 64), 300, {"padding": 299, "stride": 7}),
        ("uint8", (2, 3, 5, 6), (400, 2), {"padding": (399, 1)}),
        ("float64", (1, 2, 1500, 1500), 1400, {"padding": 1399, "stride": 3, "dilation": 1}),
    ):
        plan = npconv.plan_max_pool(shape, size, dtype=dtype, **how)
        x = np.random.default_rng(0).integers(0, 99, shape).astype(dtype)
        function = getattr(npconv, f"max_pool{len(shape) - 2}d")
        if plan.flops < 4e9:
            assert plan(x).tobytes() == function(x, size, **how).tobytes()
        assert f"algorithm    {plan.algorithm}: " in plan.explain()
        ways[plan.algorithm] = plan
    assert {"kernels", "windows"} <= set(ways) <= {"kernels", "windows", "sliding"}


def test_what_a_plan_tells_in_words() -> None:
    plan = npconv.plan_max_pool(
        (None, 64, 112, 112), 3, stride=2, padding=1, return_indices=True, num_threads=2
    )
    told = plan.explain()
    for said in (
        "pooling      the largest element of each window, and its place\n",
        "input        float32, channels first, batch any (figures of one image), 64 channels\n",
        "  height  112 -> 56, kernel 3, stride 2, dilation 1, padding (1, 1)\n",
        f"kernels      {_core._isa()} (",
        "algorithm    kernels: ",
        "tiling       blocks of at most 1 x 56 x 56 outputs of ",
        f"operations   {plan.flops} (one a tap of a window)\n",
        f"memory       workspace {plan.workspace_bytes} bytes for at most 2 thread(s), packed weights 0 ",
    ):
        assert said in told, told
    assert plan.flops == 64 * 56 * 56 * 9
    assert plan.packed_bytes == 0
    assert repr(plan) == "<npconv.IndexedPoolPlan (None, 64, 112, 112) -> (None, 64, 56, 56), kernels>"
    line = (1, 1, 9)
    for other, words in (
        (npconv.plan_avg_pool(line, 3), "the mean of each window, divided by its taps in x and its border\n"),
        (npconv.plan_avg_pool(line, 3, count_include_pad=False), ", divided by its taps in x alone\n"),
        (npconv.plan_avg_pool(line, 3, divisor_override=7), ", divided by 7\n"),
        (npconv.plan_lp_pool(line, 1.5, 3), "the norm of each window, with powers of 1.5\n"),
        (npconv.plan_max_pool((0, 1, 9), 3), "algorithm    none: there is nothing to be pooled\n"),
        (npconv.plan_max_pool((1, 9, 0), 3, layout="channels_last"), "none: there is nothing"),
    ):
        assert words in other.explain()


def test_empty_batches_and_no_channels() -> None:
    last: dict[str, Any] = {"layout": "channels_last"}
    for shape, how in (((0, 3, 8, 8), {}), ((2, 0, 8, 8), {}), ((2, 8, 8, 0), last)):
        for op, args in (("max", (2,)), ("avg", (2,)), ("lp", (2, 2))):
            plan = MAKERS[op](shape, *args, **how)
            assert plan(np.empty(shape, np.float32)).shape == plan.output_shape
            assert plan.workspace_bytes == plan.flops == 0
            assert plan.algorithm == "none"


def test_a_plan_is_loaded_for_the_instruction_set_that_it_finds(isa: str) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 20, 21)).astype(np.float32)
    with cases.forced(_core._isa_names()[-1]):
        data = pickle.dumps(npconv.plan_avg_pool(x.shape, 5, stride=1))
    here, loaded = npconv.plan_avg_pool(x.shape, 5, stride=1), pickle.loads(data)
    assert loaded.explain() == here.explain()
    assert f"kernels      {isa} " in loaded.explain()
    assert loaded(x).tobytes() == here(x).tobytes()
