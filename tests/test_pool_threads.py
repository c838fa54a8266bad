# SPDX-License-Identifier: BSD-3-Clause
"""Pooling is the same, bit for bit, for any number of threads, place in a batch, memory of x, and again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import npconv
import numpy as np
import pytest
from npconv import grad
from pool_cases import LAYOUTS
from reference import Array
from rules import printed_by

# Sums of random normal numbers: another order of addition would show.
SHAPES: dict[str, tuple[int, ...]] = {
    "a plane": (1, 1, 300, 400),
    "a large plane": (1, 1, 700, 900),
    "planes": (2, 37, 29, 31),
    "many small planes": (8, 256, 7, 7),
    "a few": (1, 3, 200, 201),
}
SIGNALS: dict[str, tuple[int, ...]] = {"a signal": (1, 1, 50_000), "signals": (3, 5, 10_001)}
VOLUMES: dict[str, tuple[int, ...]] = {"a volume": (1, 1, 40, 50, 60), "volumes": (2, 6, 9, 20, 21)}

Pooling = Callable[..., Any]


def normal(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape, dtype)


def poolings(rank: int) -> dict[str, Pooling]:
    """Functions of x and the keywords layout and num_threads. Gradients are those of the sum of squares."""

    def of(name: str, module: Any = npconv) -> Any:
        return getattr(module, f"{name}{rank}d")

    def with_gradient(name: str, *arguments: Any, needs_x: bool = False, **how: Any) -> Pooling:
        def run(x: Array, **call: Any) -> Array:
            y = of(name)(x, *arguments, layout=call["layout"], **how)
            given = (x, *arguments) if needs_x else (x.shape, *(() if "adaptive" in name else arguments))
            return of(name, grad)(y, *given, **how, **call)

        return run

    def gradient_of_max(x: Array, **call: Any) -> Array:
        y, indices = of("max_pool")(x, 3, stride=1, padding=1, return_indices=True, **call)
        return of("max_pool", grad)(y, indices, x.shape, layout=call["layout"])

    def unpooled(x: Array, **call: Any) -> Array:
        y, indices = of("max_pool")(x, 2, return_indices=True, layout=call["layout"])
        spatial = x.shape[1:-1] if call["layout"] == "channels_last" else x.shape[2:]
        return of("max_unpool")(y, indices, 2, output_size=spatial, **call)

    def gradient_of_unpool(x: Array, **call: Any) -> Array:
        indices = of("max_pool")(x, 2, return_indices=True, layout=call["layout"])[1]
        return of("max_unpool", grad)(x, indices, **call)

    def folded(name: str) -> Pooling:
        """Of unfold and its gradient, which is what fold does, with num_threads for this one alone."""

        def run(x: Array, **call: Any) -> Array:
            if name == "unfold":
                return of("unfold")(x, 2, stride=3, **call)
            columns = of("unfold")(x, 2, padding=1, layout=call["layout"])
            if name == "grad.unfold":
                return of("unfold", grad)(columns, x.shape, 2, padding=1, **call)
            spatial = x.shape[1:-1] if call["layout"] == "channels_last" else x.shape[2:]
            return of("fold")(columns, spatial, 2, padding=1, **call)

        return run

    large = {1: 1001, 2: (31, 15), 3: (5, 7, 9)}[rank]
    same: dict[str, Any] = {"stride": 1, "padding": "same"}
    return {
        "max": lambda x, **call: of("max_pool")(x, 3, stride=2, padding=1, return_indices=True, **call),
        "max, large": lambda x, **call: of("max_pool")(x, large, **same, **call),
        "min": lambda x, **call: of("min_pool")(x, 3, stride=2, padding=1, return_indices=True, **call),
        "min, small": lambda x, **call: of("min_pool")(x, 2, **call),
        "min, large": lambda x, **call: of("min_pool")(x, large, **same, **call),
        "avg": lambda x, **call: of("avg_pool")(x, 2, **call),
        "avg, large": lambda x, **call: of("avg_pool")(x, large, **same, **call),
        "avg, dilated": lambda x, **call: of("avg_pool")(x, 3, stride=1, padding=2, dilation=2, **call),
        "lp": lambda x, **call: of("lp_pool")(x, 2, 3, ceil_mode=True, **call),
        "lp, large": lambda x, **call: of("lp_pool")(x, 3, 5, **same, **call),
        "adaptive avg": lambda x, **call: of("adaptive_avg_pool")(x, 7, **call),
        "adaptive max": lambda x, **call: of("adaptive_max_pool")(x, 7, return_indices=True, **call),
        "global avg": lambda x, **call: of("global_avg_pool")(x, **call),
        "global max": lambda x, **call: of("global_max_pool")(x, **call),
        "max unpool": unpooled,
        "unfold": folded("unfold"),
        "fold": folded("fold"),
        "gradient of unfold": folded("grad.unfold"),
        "gradient of fold": lambda x, **call: of("fold", grad)(x, 2, stride=3, **call),
        "gradient of max unpool": gradient_of_unpool,
        "gradient of max": gradient_of_max,
        "gradient of avg": with_gradient("avg_pool", 3, stride=1, padding=1),
        "gradient of avg, large": with_gradient("avg_pool", large, **same),
        "gradient of lp": with_gradient("lp_pool", 2, 3, stride=1, needs_x=True),
        "gradient of adaptive avg": with_gradient("adaptive_avg_pool", 7),
        "gradient of global avg": with_gradient("global_avg_pool"),
        "gradient of global max": with_gradient("global_max_pool", needs_x=True),
    }


def bits(y: Any) -> bytes:
    return b"".join(a.tobytes() for a in y) if isinstance(y, tuple) else y.tobytes()


def given(shape: tuple[int, ...], dtype: str, layout: str) -> Array:
    x = normal(shape, np.dtype(dtype))
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if layout == "channels_last" else x


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*SHAPES, *SIGNALS, *VOLUMES])
def test_bitwise_equal_for_1_2_3_and_7_threads(name: str, dtype: str, layout: str, isa: str) -> None:
    shape = (SHAPES | SIGNALS | VOLUMES)[name]
    x = given(shape, dtype, layout)
    for what, pool in poolings(len(shape) - 2).items():
        one = bits(pool(x, layout=layout, num_threads=1))
        for threads in (2, 3, 7):
            assert bits(pool(x, layout=layout, num_threads=threads)) == one, (what, threads)
    with npconv.num_threads(3):
        pool = poolings(len(shape) - 2)["avg, large"]
        same = bits(pool(x, layout=layout, num_threads=None))
    assert same == bits(pool(x, layout=layout, num_threads=1))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64"])
def test_integers_for_1_2_3_and_7_threads(dtype: str, isa: str) -> None:
    x = np.random.default_rng(0).integers(0, 100, (2, 3, 90, 101)).astype(dtype)
    for layout in LAYOUTS:
        for what in ("max", "max, large", "min", "min, small", "min, large", "adaptive max", "global max"):
            pool = poolings(2)[what]
            one = bits(pool(x, layout=layout, num_threads=1))
            assert all(bits(pool(x, layout=layout, num_threads=n)) == one for n in (2, 3, 7)), what


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(1, 5, 30, 41), (1, 1, 100, 120), (1, 70, 7, 7)])
def test_an_image_does_not_depend_on_its_place_in_the_batch_nor_on_memory(
    shape: tuple[int, ...], layout: str, isa: str
) -> None:
    for dtype in ("float32", "float64"):
        x = given(shape, dtype, layout)
        batch = np.concatenate([x, normal(x.shape, x.dtype, 1), x, x])
        every_other = np.zeros((*batch.shape[:-1], 2 * batch.shape[-1]), dtype)[..., ::2]
        backwards = np.zeros_like(batch)[..., ::-1, :]
        turned = np.zeros(batch.shape[::-1], dtype).T
        for memory in (every_other, backwards, turned):
            memory[...] = batch
        arrays = (batch, every_other, backwards, turned, batch.astype(batch.dtype.newbyteorder()))
        for what, pool in poolings(2).items():
            alone = pool(x, layout=layout, num_threads=2)
            for memory in arrays:
                together = pool(memory, layout=layout, num_threads=2)
                pairs = zip(alone, together, strict=True) if isinstance(alone, tuple) else [(alone, together)]
                for a, t in pairs:
                    assert all(t[i].tobytes() == a[0].tobytes() for i in (0, 2, 3)), what


def test_unfold_fold_and_unpool_do_not_depend_on_memory_either() -> None:
    x = normal((2, 3, 20, 21), np.dtype("float32"))
    columns = npconv.unfold2d(x, 3, padding=1)
    y, indices = npconv.max_pool2d(x, 2, return_indices=True)
    indices[1] = indices[0]
    for f, a in (
        (lambda v: npconv.unfold2d(v, 3, padding=1), x),
        (lambda v: npconv.fold2d(v, (20, 21), 3, padding=1), columns),
        (lambda v: npconv.max_unpool2d(v, indices, 2, output_size=(20, 21)), y),
        (lambda v: grad.max_pool2d(v, indices, x.shape), y),
    ):
        want = f(a).tobytes()
        assert f(a[:, ::-1].copy()[:, ::-1]).tobytes() == want
        assert f(np.asfortranarray(a)).tobytes() == want
        assert f(np.array([a[0], a[0]]))[1].tobytes() == want[: len(want) // 2]


USED = """
import npconv, numpy as np
from npconv import grad

def threads():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("Threads:"))

x = np.ones((1, 8, 90, 90), np.float32)
columns = npconv.unfold2d(x, 3, num_threads=1)
y, indices = npconv.max_pool2d(x, 2, return_indices=True, num_threads=1)
call = {CALL}
with npconv.num_threads(3):
    before = threads()
    call(num_threads=1)
    alone = threads() - before
    call(num_threads=3)
    print(alone, threads() - before)
"""


@pytest.mark.parametrize(
    "call",
    [
        "npconv.unfold2d(x, 3, **how)",
        "npconv.fold2d(columns, (90, 90), 3, **how)",
        "npconv.max_unpool2d(y, indices, 2, **how)",
        "grad.unfold2d(columns, x.shape, 3, **how)",
        "grad.fold2d(x, 3, **how)",
        "grad.max_unpool2d(x, indices, **how)",
    ],
)
def test_num_threads_is_the_number_of_threads(call: str) -> None:
    assert printed_by(USED.replace("{CALL}", f"lambda **how: {call}")) == "0 2"


def test_16_python_threads_at_once(isa: str) -> None:
    jobs = [
        (pool, given(shape, dtype, layout), layout)
        for shape in ((1, 1, 120, 130), (2, 33, 14, 15))
        for dtype, layout in zip(("float32", "float64"), LAYOUTS, strict=True)
        for pool in poolings(2).values()
    ]
    expected = [bits(pool(x, layout=layout, num_threads=1)) for pool, x, layout in jobs]

    def work(i: int) -> bool:
        n = i % len(jobs)
        pool, x, layout = jobs[n]
        return bits(pool(x, layout=layout, num_threads=1 + i % 4)) == expected[n]

    with ThreadPoolExecutor(16) as executor:
        assert all(executor.map(work, range(3 * len(jobs))))
