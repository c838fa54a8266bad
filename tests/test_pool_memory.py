# SPDX-License-Identifier: BSD-3-Clause
"""Pooling allocates a few megabytes a thread beside its result, whatever the plane and the window."""

from __future__ import annotations

from typing import Any

import npconv
import numpy as np
import pytest
from npconv import _core, grad
from pool_cases import LAYOUTS
from test_memory import MEGABYTE, run

LARGEST = 6 * (1 << 20)  # bytes a thread

PEAK = """
def status(key):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(key))
def peak_of(pool, x, small, **how):
    out = np.ones_like(x)
    pool(small, **how)                             # the threads and their stacks are there now
    open("/proc/self/clear_refs", "w").write("5")  # the peak starts again from here
    before, made = status("VmRSS"), npconv._core._buffer_bytes_made()
    pool(x, out=out, **how)
    print(status("VmHWM") - before, npconv._core._buffer_bytes_made() - made)
how = dict(stride=1, padding="same", num_threads={threads}, layout="{layout}")
"""


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("threads", [1, 2])
def test_peak_memory_of_windows_of_31_x_31_on_an_image_of_4096_x_4096(threads: int, layout: str) -> None:
    # channels last: as many numbers, in 16 channels
    shape = "(1, 1, 4096, 4096)" if layout == "channels_first" else "(1, 1024, 1024, 16)"
    out = run(
        PEAK.format(threads=threads, layout=layout)
        + f"""
x = np.ones({shape}, np.float32)
small = np.ascontiguousarray(x[:, -40:, -40:, -40:])
for pool in (npconv.max_pool2d, npconv.min_pool2d, npconv.avg_pool2d):
    peak_of(pool, x, small, kernel_size=31, **how)
"""
    )
    for line in out.splitlines():
        peak, told = map(int, line.split())
        assert told <= LARGEST * threads
        assert peak <= told + MEGABYTE  # pages, arenas; a padded copy of the input would be 68 MB


@pytest.mark.parametrize("threads", [1, 2])
def test_peak_memory_of_windows_of_1001_on_10_million_samples(threads: int) -> None:
    out = run(
        PEAK.format(threads=threads, layout="channels_first")
        + """
x = np.ones((1, 1, 10_000_000), np.float32)
for pool in (npconv.max_pool1d, npconv.min_pool1d, npconv.avg_pool1d):
    peak_of(pool, x, x[..., :5000], kernel_size=1001, **how)
"""
    )
    for line in out.splitlines():
        peak, told = map(int, line.split())
        assert told <= LARGEST * threads
        assert peak <= told + MEGABYTE


def allocated(call: Any) -> int:
    before = _core._buffer_bytes_made()
    call()
    return _core._buffer_bytes_made() - before


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_call_allocates_at_most_6_mebibytes_a_thread(
    dtype: str, layout: str, threads: int, isa: str
) -> None:
    call: dict[str, Any] = {"layout": layout, "num_threads": threads}
    for shape in (
        (1, 3, 500, 700),
        (2, 130, 30, 40),
        (1, 1, 3, 300_000),
        (1, 1, 300_000, 3),
        (1, 2048, 7, 7),
    ):
        x = np.ones(shape if layout == "channels_first" else (shape[0], *shape[2:], shape[1]), dtype)
        for name, arguments in (
            ("max_pool2d", {"kernel_size": 3, "padding": 1, "stride": 2, "return_indices": True}),
            ("max_pool2d", {"kernel_size": (3, 2), "padding": "same", "stride": 1}),
            ("min_pool2d", {"kernel_size": 3, "padding": 1, "stride": 2, "return_indices": True}),
            ("min_pool2d", {"kernel_size": (3, 2), "padding": "same", "stride": 1}),
            ("min_pool2d", {"kernel_size": 2}),
            ("min_pool2d", {"kernel_size": (3, 40), "padding": "same", "stride": 1}),
            ("avg_pool2d", {"kernel_size": 3, "padding": 1, "stride": 1}),
            ("lp_pool2d", {"kernel_size": 3, "padding": 1, "norm_type": 2}),
            ("adaptive_avg_pool2d", {"output_size": (7, 5)}),
            ("adaptive_max_pool2d", {"output_size": 1, "return_indices": True}),
            ("global_avg_pool2d", {}),
            ("global_max_pool2d", {}),
        ):
            made = allocated(lambda f=name, a=arguments, v=x: getattr(npconv, f)(v, **a, **call))
            assert made <= LARGEST * threads, (name, shape)
        g = npconv.avg_pool2d(x, 3, stride=1, padding=1, layout=layout)
        made = allocated(lambda v=x, u=g: grad.avg_pool2d(u, v.shape, 3, stride=1, padding=1, **call))
        assert made <= LARGEST * threads, ("grad.avg_pool2d", shape)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_gradient_of_a_norm_allocates_no_more(layout: str, isa: str) -> None:
    x = np.ones((3, 500, 700) if layout == "channels_first" else (500, 700, 3), np.float32)
    how: Any = {"stride": 1, "padding": 1, "layout": layout}
    g = npconv.lp_pool2d(x, 2, 3, **how)
    for threads in (1, 2):
        made = allocated(lambda n=threads: grad.lp_pool2d(g, x, 2, 3, num_threads=n, **how))
        assert made <= LARGEST * threads


@pytest.mark.parametrize("layout", LAYOUTS)
def test_windows_as_large_as_the_plane_allocate_no_more(layout: str, isa: str) -> None:
    x = np.ones((1, 1, 1500, 1700) if layout == "channels_first" else (1, 1500, 1700, 1), np.float32)
    for kernel in ((1500, 1700), (1500, 1), (1, 1700), (1400, 1600)):
        for pool in (npconv.max_pool2d, npconv.min_pool2d, npconv.avg_pool2d):
            how: Any = {"stride": (20, 20), "layout": layout, "num_threads": 1}
            assert allocated(lambda f=pool, k=kernel, h=how: f(x, k, **h)) <= LARGEST


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_minima_of_windows_far_apart_allocate_no_more(dtype: str, isa: str) -> None:
    """What lies between two windows has no place in the copy that the kernels read."""
    million = 1 << 20
    for shape, arguments in (
        ((64 * million, 1), {"kernel_size": (3, 1), "stride": (million, 1)}),
        ((64_000, 1000), {"kernel_size": 3, "stride": (1000, 3)}),
        ((600, 100_000), {"kernel_size": 3, "stride": (3, 1000)}),
        ((5_000, 20_000), {"kernel_size": (8, 1), "stride": (100, 1000), "dilation": (100, 1)}),
        ((100, 3, 400_000), {"kernel_size": (3, 2, 3), "stride": (50, 1, 900)}),
    ):
        x = np.broadcast_to(np.ones(1, dtype), (1, *shape))
        for layout in LAYOUTS:
            v = x if layout == "channels_first" else np.moveaxis(x, 0, -1)
            how: dict[str, Any] = {**arguments, "layout": layout, "num_threads": 1}
            for name in ("min", "max"):
                pool = getattr(npconv, f"{name}_pool{len(shape)}d")
                made = allocated(lambda f=pool, a=v, h=how: f(a, **h))
                assert made <= LARGEST, (name, shape, arguments)


def test_memory_error_where_the_result_cannot_be_allocated() -> None:
    assert run("""
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
x = np.broadcast_to(np.ones(1, np.float32), (1, 1, 40_000, 40_000))
zeros = np.zeros((1, 1, 1, 1), np.int64)
for call in (
    lambda: npconv.max_pool2d(x, 1),
    lambda: npconv.max_pool2d(x, 2, return_indices=True, stride=1),
    lambda: npconv.min_pool2d(x, 2, return_indices=True, stride=1),
    lambda: npconv.avg_pool2d(x, 3, stride=1),
    lambda: npconv.lp_pool2d(x, 2, 1),
    lambda: npconv.unfold2d(x, 2, stride=2),
    lambda: npconv.fold2d(x[:, 0, :4, :1], 40_000, 2, stride=40_000),
    lambda: npconv.adaptive_avg_pool2d(x, 30_000),
    lambda: npconv.max_unpool2d(x[..., :1, :1], zeros, 40_000),
    lambda: npconv.grad.global_avg_pool2d(x[..., :1, :1], x.shape),
    lambda: npconv.grad.max_pool2d(x[..., :1, :1], zeros, x.shape),
    lambda: npconv.grad.min_pool2d(x[..., :1, :1], zeros, x.shape),
):
    try: call()
    except MemoryError: print("MemoryError")
""") == 12 * "MemoryError\n"  # fmt: skip
