# SPDX-License-Identifier: BSD-3-Clause
"""Winograd's plans: equal bits for any threads, place and memory; memory as told; other weights."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cases
import npconv
import numpy as np
import pytest
from cases import Case
from npconv import _core
from reference import Array
from test_memory import MEGABYTE
from test_threads import run
from winograd_cases import ALGORITHMS, conv, in_layout, winograd_runs
from winograd_tiles import served

LAYERS: dict[str, dict[str, Any]] = {
    "one image": {"x": (1, 37, 29, 31), "w": (70, 37, 3, 3), "activation": "gelu"},
    "small maps, deep": {"x": (2, 300, 7, 7), "w": (256, 300, 3, 3)},
    "one small map": {"x": (1, 520, 5, 6), "w": (200, 520, 3, 3)},
    "groups": {"x": (3, 24, 20, 21), "w": (48, 6, 3, 3), "groups": 4, "padding_mode": "circular"},
    "many images": {"x": (19, 5, 4, 3), "w": (9, 5, 3, 3), "padding_mode": "reflect"},
    "few channels": {"x": (1, 3, 90, 61), "w": (16, 3, 3, 3), "activation": "relu"},
    "1-D": {"x": (2, 20, 61), "w": (30, 20, 3)},
    "1-D, runs of taps": {"x": (2, 20, 61), "w": (30, 20, 9), "padding": 4},
    "runs of taps": {"x": (1, 12, 20, 21), "w": (14, 12, 7, 6), "padding": 3, "activation": "silu"},
    "5x5": {"x": (2, 18, 14, 15), "w": (35, 18, 5, 5), "padding": 2},
    "stride": {"x": (2, 20, 17, 18), "w": (24, 20, 5, 5), "padding": 2, "stride": 2},
    "stride, few channels": {"x": (1, 3, 40, 37), "w": (16, 3, 7, 7), "padding": 3, "stride": 2},
    "dilation": {"x": (2, 24, 26, 27), "w": (20, 24, 3, 3), "padding": 3, "dilation": 3},
    "3-D": {"x": (1, 6, 5, 13, 14), "w": (20, 6, 3, 3, 3)},
    "3-D, few tiles": {"x": (2, 260, 2, 7, 7), "w": (200, 260, 3, 3, 3)},
    "3-D, stride": {"x": (2, 3, 7, 13, 14), "w": (10, 3, 3, 5, 5), "padding": 2, "stride": 2},
}


def described(name: str) -> Case:
    keywords = {"padding": 1} | LAYERS[name]
    x, w = keywords["x"], keywords["w"]
    shape = {k: keywords[k] for k in ("padding", "stride", "dilation", "groups") if k in keywords}
    return Case(x[2:], w[2:], x[0], x[1], w[0], **shape)


PAIRS = [
    (algorithm, name) for algorithm in ALGORITHMS for name in LAYERS if served(algorithm, described(name))
]
every_layer = pytest.mark.parametrize(("algorithm", "name"), PAIRS)


def layer(name: str, dtype: str, layout: str) -> tuple[Array, Array, Array, dict[str, Any]]:
    """x, w, bias and keywords; here and there a value that makes its tile be computed directly."""
    rng = np.random.default_rng(5)
    keywords = {"padding": 1, "layout": layout} | LAYERS[name]
    x = rng.standard_normal(keywords.pop("x")).astype(dtype)
    w = rng.standard_normal(keywords.pop("w")).astype(dtype)
    x[0, 0].flat[x[0, 0].size // 4], x[-1, -1].flat[x[0, 0].size // 2] = np.nan, 1e12
    return in_layout(x, layout), w, rng.standard_normal(len(w)).astype(dtype), keywords


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("dtype", cases.DTYPES)
@every_layer
def test_bitwise_equal_for_1_2_3_and_7_threads(
    algorithm: str, name: str, dtype: str, layout: str, isa: str
) -> None:
    x, w, bias, keywords = layer(name, dtype, layout)
    one = conv(algorithm, x, w, bias, num_threads=1, **keywords)
    plan = npconv.plan_conv(x.shape, w, bias, algorithm=algorithm, **keywords)
    assert plan.algorithm == algorithm
    for threads in (2, 3, 7, 2):
        with npconv.num_threads(threads), winograd_runs():
            assert plan(x).tobytes() == one.tobytes()
        assert conv(algorithm, x, w, bias, num_threads=threads, **keywords).tobytes() == one.tobytes()


@every_layer
def test_an_image_does_not_depend_on_its_place_in_the_batch_nor_on_memory(
    algorithm: str, name: str, isa: str
) -> None:
    for layout in cases.LAYOUTS:
        x, w, bias, keywords = layer(name, "float32", layout)
        alone = conv(algorithm, x[:1], w, bias, **keywords)
        images = (x[:1], np.flip(x[-1:]))
        rng = np.random.default_rng(1)
        for view, places in zip(
            cases.VIEWS, ([0], [0, 0, 0], [1, 0], [0, 1, 1, 1], [1, 0], [0, 1]), strict=True
        ):
            batch = np.concatenate([images[i] for i in places])
            y = conv(algorithm, cases.place(batch, view, rng), w, bias, **keywords)
            assert all(y[i].tobytes() == alone[0].tobytes() for i, place in enumerate(places) if place == 0)
        batch = np.concatenate([images[1]] * 20 + [images[0]])
        assert conv(algorithm, batch, w, bias, **keywords)[-1].tobytes() == alone[0].tobytes()


@pytest.mark.parametrize("dtype", cases.DTYPES)
@every_layer
def test_both_layouts_and_runs_agree_bitwise(algorithm: str, name: str, dtype: str, isa: str) -> None:
    x, w, bias, keywords = layer(name, dtype, "channels_first")
    first = in_layout(conv(algorithm, x, w, bias, **keywords), "channels_last").tobytes()
    x, w, bias, keywords = layer(name, dtype, "channels_last")
    for _ in range(3):
        assert conv(algorithm, x, w, bias, **keywords).tobytes() == first


def test_8_python_threads_at_once(isa: str) -> None:
    jobs = [(a, *layer(n, d, "channels_first")) for a, n in PAIRS for d in cases.DTYPES]
    plans = [npconv.plan_conv(x.shape, w, b, algorithm=a, **k) for a, x, w, b, k in jobs]
    expected = [conv(a, x, w, b, num_threads=1, **k).tobytes() for a, x, w, b, k in jobs]

    def work(i: int) -> bool:
        n = i % len(jobs)
        algorithm, x, w, bias, keywords = jobs[n]
        if i % 3 == 0:
            function = getattr(npconv, f"conv{w.ndim - 2}d")
            y = function(x, w, bias, num_threads=1 + i % 4, algorithm=algorithm, **keywords)
            return y.tobytes() == expected[n]
        return plans[n](x).tobytes() == expected[n]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(3 * len(jobs))))


def test_the_rounding_mode_holds_in_every_worker() -> None:
    """Of the calling thread, as for every algorithm; it must reach the transforms as well."""
    out = run(
        f"""
libm = ctypes.CDLL(ctypes.util.find_library("m"))
x = np.random.default_rng(0).standard_normal((1, 40, 60, 60)).astype(np.float32)
w = np.random.default_rng(1).standard_normal((64, 40, 3, 3)).astype(np.float32)
for algorithm in {list(ALGORITHMS)}:
    nearest = npconv.conv2d(x, w, num_threads=2, algorithm=algorithm)
    assert libm.fesetround(0xC00 if os.uname().machine == "x86_64" else 0xC00000) == 0
    results = [npconv.conv2d(x, w, num_threads=n, algorithm=algorithm) for n in (1, 2, 7)]
    libm.fesetround(0)
    assert all(y.tobytes() == results[0].tobytes() for y in results)
    assert results[0].tobytes() != nearest.tobytes()
print("rounded")
"""
    )
    assert out == "rounded\n"


# ---- memory ------------------------------------------------------------------------------------------------

SHAPES: dict[str, dict[str, Any]] = {
    "deep": {"x": (1, 2048, 7, 7), "w": (2048, 2048, 3, 3)},
    "many images": {"x": (8, 512, 28, 28), "w": (512, 512, 3, 3)},
    "large": {"x": (1, 64, 8192, 8192), "w": (64, 64, 3, 3)},
    "a photograph of 64 megapixels": {"x": (1, 3, 8192, 8192), "w": (64, 3, 3, 3)},
    "one channel": {"x": (1, 1, 8192, 8192), "w": (1, 1, 3, 3)},
    "many channels": {"x": (1, 6144, 4, 4), "w": (16, 6144, 3, 3)},
    "depthwise": {"x": (32, 512, 56, 56), "w": (512, 1, 3, 3), "groups": 512},
    "one pixel": {"x": (1000, 512, 1, 1), "w": (64, 512, 3, 3)},
    "1-D": {"x": (1, 256, 1_000_000), "w": (256, 256, 3)},
    "1-D, 9 taps of many channels": {"x": (4, 2048, 1000), "w": (512, 2048, 9), "padding": 4},
    "1-D, 65 taps": {"x": (1, 8, 1_000_000), "w": (8, 8, 65)},
    "5x5, deep": {"x": (1, 2048, 7, 7), "w": (512, 2048, 5, 5), "padding": 2},
    "5x5, large": {"x": (1, 32, 4096, 4096), "w": (64, 32, 5, 5), "padding": 2},
    "7x7": {"x": (8, 256, 56, 56), "w": (256, 256, 7, 7), "padding": 3},
    "9x9": {"x": (1, 128, 256, 256), "w": (128, 128, 9, 9), "padding": 4},
    "15x15": {"x": (1, 4, 512, 512), "w": (16, 4, 15, 15), "padding": 7},
    "a photograph, 7x7 with stride 2": {
        "x": (1, 3, 8192, 8192),
        "w": (64, 3, 7, 7),
        "padding": 3,
        "stride": 2,
    },
    "5x5 with stride 2": {"x": (1, 1024, 14, 14), "w": (512, 1024, 5, 5), "padding": 2, "stride": 2},
    "stride 4": {"x": (1, 64, 2000, 2000), "w": (64, 64, 9, 9), "stride": 4},
    "dilation 2": {"x": (2, 512, 65, 65), "w": (512, 512, 3, 3), "padding": 2, "dilation": 2},
    "dilation 36": {"x": (1, 512, 65, 65), "w": (256, 512, 3, 3), "padding": 36, "dilation": 36},
    "dilation 12 of a large map": {
        "x": (1, 32, 4096, 4096),
        "w": (32, 32, 3, 3),
        "padding": 12,
        "dilation": 12,
    },
    "3-D": {"x": (1, 64, 16, 112, 112), "w": (128, 64, 3, 3, 3)},
    "3-D, large and deep": {"x": (1, 512, 64, 256, 256), "w": (512, 512, 3, 3, 3)},
    "3-D, stride 2": {"x": (1, 64, 64, 256, 256), "w": (128, 64, 5, 5, 5), "padding": 2, "stride": 2},
}


@pytest.mark.parametrize("name", SHAPES)
def test_workspace_is_at_most_6_megabytes_a_thread(name: str) -> None:
    keywords = {"padding": 1} | SHAPES[name]
    x_shape, w_shape = keywords.pop("x"), keywords.pop("w")
    shape = {k: v for k, v in keywords.items() if k != "groups"}
    case = Case(x_shape[2:], w_shape[2:], cin=x_shape[1], cout=w_shape[0], **shape)
    serving = [algorithm for algorithm in ALGORITHMS if served(algorithm, case)]
    assert "winograd" in serving
    for dtype in cases.DTYPES:
        # A view of one number: only the plan is asked. Its packed weights are what it may be large by.
        w = np.broadcast_to(np.zeros(1, dtype), (min(w_shape[0], 512), *w_shape[1:]))
        for layout in cases.LAYOUTS:
            shape = x_shape if layout == "channels_first" else (x_shape[0], *x_shape[2:], x_shape[1])
            for isa in _core._isa_names():
                with cases.forced(isa):
                    for algorithm in serving:
                        how: Any = {"layout": layout, "algorithm": algorithm} | keywords
                        one = npconv.plan_conv(shape, w, num_threads=1, **how)
                        assert 0 < one.workspace_bytes <= 6 * MEGABYTE, (dtype, layout, isa, algorithm)
                        with npconv.num_threads(7):
                            many = one.for_shape(shape)
                        assert many.workspace_bytes <= 7 * one.workspace_bytes


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize(
    ("algorithm", "channels", "size", "dilation"),
    [
        ("winograd_f2", 65536, 4, (1, 1)),
        ("winograd_f6", 65536, 4, (1, 1)),
        ("winograd", 512, 800, (1, 200)),  # a tile of each phase of a row
        ("winograd_f2", 512, 800, (1, 200)),
    ],
)
def test_what_one_tile_of_takes_too_much_is_refused(
    algorithm: str, channels: int, size: int, dilation: tuple[int, int], dtype: str
) -> None:
    """The 16 to 64 transformed values of each channel are kept until all channels are there."""
    w = np.broadcast_to(np.zeros(1, dtype), (1, channels, 3, 3))
    how: Any = {"padding": 1, "dilation": dilation}
    with pytest.raises(ValueError, match="cannot serve here: one tile of all input channels must fit"):
        npconv.plan_conv((1, channels, 4, size), w, algorithm=algorithm, **how)
    assert npconv.plan_conv((1, channels, 4, size), w, **how).algorithm not in ALGORITHMS


@pytest.mark.parametrize("threads", [1, 2, 5])
@every_layer
def test_a_run_allocates_exactly_what_the_plan_tells(
    algorithm: str, name: str, threads: int, isa: str
) -> None:
    for layout in cases.LAYOUTS:
        x, w, bias, keywords = layer(name, "float32", layout)
        for small in (False, True) if w.size < 50_000 else (False,):
            keywords |= {"algorithm": algorithm, "num_threads": threads}
            with cases.small_tiles(small):
                before = _core._buffer_bytes_made()
                plan = npconv.plan_conv(x.shape, w, bias, **keywords)
                assert _core._buffer_bytes_made() - before == plan.packed_bytes
                before = _core._buffer_bytes_made()
                with winograd_runs():
                    y = plan(x)  # with tiles that are computed directly
                assert _core._buffer_bytes_made() - before == plan.workspace_bytes
                plan(np.zeros_like(x), residual=y, out=y)
                assert _core._buffer_bytes_made() - before == 2 * plan.workspace_bytes


ANY_BATCH: dict[str, tuple[int, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "3x3": (40, (13, 14), (3, 3), {}),
    "3x3, small maps": (300, (4, 5), (3, 3), {}),
    "3x3, few channels": (3, (50, 40), (3, 3), {}),
    "1-D": (40, (60,), (3,), {}),
    "1-D, one tile": (64, (4,), (3,), {}),
    "1-D, runs of taps": (20, (60,), (11,), {}),
    "5x5": (40, (7, 8), (5, 5), {}),
    "7x7": (20, (9, 9), (7, 7), {"padding": 3}),
    "stride": (30, (15, 16), (5, 5), {"stride": 2}),
    "stride, few channels": (3, (33, 34), (5, 5), {"stride": 2}),
    "dilation": (30, (15, 16), (3, 3), {"dilation": 3, "padding": 3}),
    "3-D": (20, (4, 6, 7), (3, 3, 3), {}),
}
ANY_BATCH_PAIRS = [
    (algorithm, name)
    for algorithm in ALGORITHMS
    for name, (_, size, kernel, more) in ANY_BATCH.items()
    if served(algorithm, Case(size, kernel, **{"padding": 1} | more))
]


@pytest.mark.parametrize(("algorithm", "name"), ANY_BATCH_PAIRS)
def test_a_plan_for_any_batch_tells_the_most_that_a_call_may_allocate(
    algorithm: str, name: str, isa: str
) -> None:
    channels, size, kernel, more = ANY_BATCH[name]
    w = np.ones((100, channels, *kernel), np.float32)
    for threads in (1, 2, 5):
        how: Any = {"padding": 1, "num_threads": threads, "algorithm": algorithm} | more
        plan = npconv.plan_conv((None, channels, *size), w, **how)
        made = []
        for batch in (1, 2, 5, 17, 40):
            before = _core._buffer_bytes_made()
            with winograd_runs():
                plan(np.ones((batch, channels, *size), np.float32))
            made.append(_core._buffer_bytes_made() - before)
            assert plan.for_shape((batch, channels, *size)).workspace_bytes == made[-1]
        # Of every batch that there may be; some are cut otherwise, and take more than larger ones.
        batches = (*range(1, 70), 100, 393, 500, 1000, 10000)
        most = max(plan.for_shape((batch, channels, *size)).workspace_bytes for batch in batches)
        assert max(made) <= most <= plan.workspace_bytes <= 1.25 * most


# ---- other shapes, other weights ---------------------------------------------------------------------------


@every_layer
def test_for_shape_shares_the_packed_weights(algorithm: str, name: str, isa: str) -> None:
    """It allocates none of its own, whatever tiles the other map has, and computes what a new plan would."""
    x, w, bias, keywords = layer(name, "float32", "channels_first")
    plan = npconv.plan_conv(x.shape, w, bias, algorithm=algorithm, **keywords)
    rng = np.random.default_rng(2)
    rank, made = w.ndim - 2, 0
    for batch, *size in (
        (1, 1, 1),
        (2, 8, 12),
        (1, 13, 3),
        (3, 7, 30),
        (None, 5, 6),
        (1, 36, 37),
        (2, 17, 18),
    ):
        spatial = (5, *size)[-rank:]
        if not served(algorithm, dataclasses.replace(described(name), spatial=spatial)):
            assert name == "dilation"  # of as few outputs as phases
            with pytest.raises(ValueError, match="cannot serve here"):
                plan.for_shape((batch, x.shape[1], *spatial))
            continue
        made += 1
        before = _core._buffer_bytes_made()
        other = plan.for_shape((batch, x.shape[1], *spatial))
        assert _core._buffer_bytes_made() == before
        assert other.algorithm == algorithm
        assert other.packed_bytes == plan.packed_bytes
        data = rng.standard_normal((batch or 2, x.shape[1], *spatial)).astype(np.float32)
        with winograd_runs():
            y = other(data)
        assert y.tobytes() == conv(algorithm, data, w, bias, **keywords).tobytes()
    assert made == (5 if name == "dilation" else 7)
    assert plan(x).tobytes() == conv(algorithm, x, w, bias, **keywords).tobytes()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_update_weights(algorithm: str, isa: str) -> None:
    """Also to weights that are not finite, which gemm serves, and back."""
    for name in [name for a, name in PAIRS if a == algorithm]:
        x, w, bias, keywords = layer(name, "float32", "channels_first")
        rng = np.random.default_rng(3)
        other = rng.standard_normal(w.shape).astype(np.float32)
        infinite = w.copy()
        infinite[0, 0].flat[2] = np.inf
        plan = npconv.plan_conv(x.shape, w, bias, algorithm=algorithm, **keywords)
        shared = plan.for_shape(x.shape)
        packed, workspace = plan.packed_bytes, plan.workspace_bytes
        for weights in (other, infinite, w):
            plan.update_weights(np.asfortranarray(weights))
            finite = weights is not infinite
            with winograd_runs(finite):
                y = plan(x)
            function = getattr(npconv, f"conv{w.ndim - 2}d")
            direct = function(x, weights, bias, algorithm=algorithm if finite else "gemm", **keywords)
            assert y.tobytes() == direct.tobytes()
            assert plan.algorithm == algorithm
            assert plan.packed_bytes == packed or not finite
            assert plan.workspace_bytes == workspace or not finite
            assert shared(x).tobytes() == conv(algorithm, x, w, bias, **keywords).tobytes()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_explain_tells_tiles_memory_and_bound(algorithm: str) -> None:
    w = np.ones((64, 32, 3, 3), np.float32)
    plan = npconv.plan_conv((1, 32, 14, 15), w, padding=1, algorithm=algorithm)
    text = plan.explain()
    for told in (
        algorithm,
        f"workspace {plan.workspace_bytes} bytes",
        f"packed weights {plan.packed_bytes} bytes",
        f" {plan.flops}",
        "error",
    ):
        assert told in text, f"{told!r} is not in:\n{text}"
