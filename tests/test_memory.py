# SPDX-License-Identifier: BSD-3-Clause
"""Bounded memory: what a run allocates, as told and as measured, and MemoryError where it cannot."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import npconv
import numpy as np
import pretended
import pytest
from npconv import _core
from rules import needs_plain_memory

pytestmark = pytest.mark.machine

MEGABYTE = 1_000_000
SHAPES: dict[str, dict[str, Any]] = {
    "a photograph of 64 megapixels, 1 -> 1": {"x": (1, 1, 8192, 8192), "w": (1, 1, 3, 3)},
    "the same, 31 x 31": {"x": (1, 1, 8192, 8192), "w": (1, 1, 31, 31), "padding": "same"},
    "the same, 3 -> 64": {"x": (1, 3, 8192, 8192), "w": (64, 3, 7, 7), "stride": 2, "padding": 3},
    "deep": {"x": (1, 2048, 7, 7), "w": (2048, 2048, 3, 3), "padding": 1},
    "many channels": {"x": (1, 16384, 4, 4), "w": (8192, 16384, 1, 1)},
    "a volume": {"x": (1, 64, 64, 256, 256), "w": (64, 64, 3, 3, 3), "padding": 1},
    "a long signal": {"x": (1, 1, 100_000_000), "w": (16, 1, 1001)},
    "a very long filter": {"x": (1, 1, 10_000_000), "w": (1, 1, 5_000_000)},
}


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SHAPES)
def test_workspace_is_at_most_6_megabytes_a_thread(name: str, dtype: str, layout: str) -> None:
    keywords = dict(SHAPES[name])
    x_shape, w_shape = keywords.pop("x"), keywords.pop("w")
    if layout == "channels_last":
        x_shape = (x_shape[0], *x_shape[2:], x_shape[1])
    # A view of one number: only the plan is asked. Its packed weights are what it may be large by.
    small = np.broadcast_to(np.zeros(1, dtype), (min(w_shape[0], 512), *w_shape[1:]))
    for isa in _core._isa_names():
        previous = _core._set_isa(isa)
        try:
            one = npconv.plan_conv(x_shape, small, layout=layout, num_threads=1, **keywords)
            assert 0 < one.workspace_bytes <= 6 * MEGABYTE
            many = npconv.plan_conv(x_shape, small, layout=layout, num_threads=7, **keywords)
            assert many.workspace_bytes <= 7 * one.workspace_bytes
        finally:
            _core._set_isa(previous)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_a_run_allocates_exactly_what_the_plan_tells(layout: str, threads: int, isa: str) -> None:
    x = np.ones((2, 40, 50, 60) if layout == "channels_first" else (2, 50, 60, 40), np.float32)
    w = np.ones((70, 40, 3, 3), np.float32)
    before = _core._buffer_bytes_made()
    plan = npconv.plan_conv(
        x.shape, w, np.ones(70, np.float32), padding=1, layout=layout, num_threads=threads
    )
    assert _core._buffer_bytes_made() - before == plan.packed_bytes
    before = _core._buffer_bytes_made()
    y = plan(x)
    assert _core._buffer_bytes_made() - before == plan.workspace_bytes
    plan(x, residual=y, out=y)
    assert _core._buffer_bytes_made() - before == 2 * plan.workspace_bytes


def run(code: str) -> str:
    """The output of a script in an interpreter of its own, which may limit its memory."""
    needs_plain_memory()
    prelude = "import resource, sys\nimport numpy as np\nimport npconv\n" + pretended.prelude()
    result = subprocess.run(
        [sys.executable, "-c", prelude + code], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, f"exit code {result.returncode}: {result.stdout}{result.stderr}"
    return result.stdout


PEAK = """
def status(key):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(key))
def peak_of(x, w, out, plan):
    plan(x, out=out)                           # the threads and their stacks are there now
    open("/proc/self/clear_refs", "w").write("5")  # the peak starts again from here
    before = status("VmRSS")
    plan(x, out=out)
    return status("VmHWM") - before, plan.workspace_bytes
"""


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("threads", [1, 2])
def test_peak_memory_on_an_image_of_8192_x_8192_is_the_workspace(padding: str, threads: int) -> None:
    out = run(
        PEAK
        + f"""
x = np.ones((1, 1, 8192, 8192), np.float32); w = np.ones((1, 1, 3, 3), np.float32)
plan = npconv.plan_conv(x.shape, w, padding="{padding}", num_threads={threads})
out = np.ones(plan.output_shape, np.float32)
print(*peak_of(x, w, out, plan))
"""
    )
    peak, told = map(int, out.split())
    assert told <= 6 * MEGABYTE * threads
    assert peak <= told + MEGABYTE  # pages, arenas; a padded copy of the input would be 268 MB


def test_memory_error_where_the_result_cannot_be_allocated() -> None:
    assert run("""
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
x = np.broadcast_to(np.ones(1, np.float32), (1, 1, 40_000, 40_000)); w = np.ones((1, 1, 3, 3), np.float32)
for call in (lambda: npconv.conv2d(x, w), lambda: npconv.plan_conv(x.shape, w)(x)):
    try: call()
    except MemoryError: print("MemoryError")
""") == "MemoryError\nMemoryError\n"  # fmt: skip


def test_memory_error_where_the_weights_cannot_be_packed() -> None:
    assert run("""
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
w = np.broadcast_to(np.ones(1, np.float32), (1 << 20, 1 << 10, 1, 1))
x = np.ones((2, 1 << 10, 1, 1), np.float32); out = np.full((2, 1 << 20, 1, 1), 7, np.float32)
for call in (lambda: npconv.conv2d(x, w, out=out), lambda: npconv.plan_conv(x.shape, w)):
    try: call()
    except MemoryError: print("MemoryError")
assert (out == 7).all()
assert (npconv.conv2d(x[:1], w) == 1024).all()  # packed panel by panel
plan = npconv.plan_conv((1, 4, 9, 9), np.ones((8, 4, 3, 3), np.float32))
print(plan(np.ones((1, 4, 9, 9), np.float32))[0, 0, 0, 0])
""") == "MemoryError\nMemoryError\n36.0\n"  # fmt: skip


def test_memory_error_where_the_workspace_cannot_be_allocated_and_out_is_untouched() -> None:
    # The limit is put where the plan and its output are, with less than the workspace to spare.
    assert run("""
x = np.ones((1, 64, 256, 256), np.float32); w = np.ones((512, 64, 5, 5), np.float32)
plan = npconv.plan_conv(x.shape, w, num_threads=1)
out = np.full(plan.output_shape, 7, np.float32)
hog = []
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 20), -1))
try:
    while True: hog.append(bytearray(1 << 14))   # and the heap is full
except MemoryError: pass
try: plan(x, out=out)
except MemoryError: result = "MemoryError"
else: result = "done"
resource.setrlimit(resource.RLIMIT_AS, (-1, -1)); hog.clear()
assert result == "done" or (out == 7).all()
print(result, plan.workspace_bytes > 1 << 14)
""") == "MemoryError True\n"  # fmt: skip


def test_a_plan_for_any_batch_tells_the_most_that_a_call_may_allocate(isa: str) -> None:
    w = np.ones((600, 40, 3, 3), np.float32)
    for threads in (1, 2, 5):
        plan = npconv.plan_conv((None, 40, 13, 14), w, padding=1, num_threads=threads)
        made = []
        for batch in (1, 2, 5, 17, 40):
            before = _core._buffer_bytes_made()
            plan(np.ones((batch, 40, 13, 14), np.float32))
            made.append(_core._buffer_bytes_made() - before)
        assert max(made) == plan.workspace_bytes
