# SPDX-License-Identifier: BSD-3-Clause
"""Threads divide the work and change nothing: equal bits, FTZ and rounding kept, fork, many callers."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import npconv
import numpy as np
import pretended
import pytest
from reference import Array
from rules import needs_plain_memory

LAYERS: dict[str, dict[str, Any]] = {
    "3x3, padded": {"x": (2, 37, 29, 31), "w": (70, 37, 3, 3), "padding": 1, "activation": "gelu"},
    "1x1": {"x": (1, 130, 28, 28), "w": (200, 130, 1, 1)},
    "small map, deep": {"x": (1, 300, 7, 7), "w": (256, 300, 3, 3), "padding": "same"},
    "grouped, strided": {
        "x": (3, 24, 40, 41), "w": (48, 6, 5, 5), "groups": 4, "stride": (2, 3), "padding": 2,
    },
    "depthwise, circular": {
        "x": (1, 96, 56, 56), "w": (96, 1, 3, 3), "groups": 96, "padding": 1, "padding_mode": "circular",
    },
}  # fmt: skip


def layer(name: str, dtype: str, layout: str) -> tuple[Array, Array, Array, dict[str, Any]]:
    rng = np.random.default_rng(5)
    keywords = dict(LAYERS[name])
    x = rng.standard_normal(keywords.pop("x")).astype(dtype)
    w = rng.standard_normal(keywords.pop("w")).astype(dtype)
    if layout == "channels_last":
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    bias = rng.standard_normal(len(w)).astype(dtype)
    return x, w, bias, keywords | {"layout": layout}


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_bitwise_equal_for_1_2_3_and_7_threads(name: str, dtype: str, layout: str, isa: str) -> None:
    x, w, bias, keywords = layer(name, dtype, layout)
    plan = npconv.plan_conv(x.shape, w, bias, **keywords)
    with npconv.num_threads(1):
        planned = plan(x)
    called = npconv.conv2d(x, w, bias, num_threads=1, **keywords)
    for threads in (2, 3, 7, 2):
        with npconv.num_threads(threads):
            assert plan(x).tobytes() == planned.tobytes()
        assert npconv.conv2d(x, w, bias, num_threads=threads, **keywords).tobytes() == called.tobytes()
    # A call that has to transform its weights may do without Winograd where a plan does not.
    named = npconv.conv2d(x, w, bias, algorithm=plan.algorithm, **keywords)
    assert named.tobytes() == planned.tobytes()


@pytest.mark.parametrize("name", LAYERS)
def test_an_image_does_not_depend_on_its_place_in_the_batch_nor_on_memory(name: str, isa: str) -> None:
    x, w, bias, keywords = layer(name, "float32", "channels_first")
    plan = npconv.plan_conv((None, *x.shape[1:]), w, bias, **keywords)
    how = keywords | {"algorithm": plan.algorithm}  # of several images a call may choose another than of one
    alone = npconv.conv2d(x[:1], w, bias, **how)
    batch = np.concatenate([x[:1]] * 3)
    every_other = np.zeros((*batch.shape[:-1], 2 * batch.shape[-1]), np.float32)[..., ::2]
    every_other[...] = batch
    calls = (npconv.conv2d(batch, w, bias, **how), npconv.conv2d(every_other, w, bias, **how))
    for y in (*calls, plan(batch), plan(x[:1])):
        assert all(image.tobytes() == alone.tobytes() for image in y)


def test_both_layouts_and_runs_agree_bitwise(isa: str) -> None:
    x, w, bias, keywords = layer("3x3, padded", "float32", "channels_first")
    first = npconv.conv2d(x, w, bias, **keywords)
    last_x, _, _, last = layer("3x3, padded", "float32", "channels_last")
    for _ in range(3):
        assert np.moveaxis(npconv.conv2d(last_x, w, bias, **last), -1, 1).tobytes() == first.tobytes()


def test_16_python_threads_at_once(isa: str) -> None:
    jobs = [layer(name, dtype, "channels_first") for name in LAYERS for dtype in ("float32", "float64")]
    plans = [npconv.plan_conv(x.shape, w, bias, **keywords) for x, w, bias, keywords in jobs]
    for job, plan in zip(jobs, plans, strict=True):
        job[3]["algorithm"] = plan.algorithm
    expected = [npconv.conv2d(x, w, bias, num_threads=1, **k).tobytes() for x, w, bias, k in jobs]

    def work(i: int) -> bool:
        n = i % len(jobs)
        x, w, bias, keywords = jobs[n]
        if i % 3 == 0:
            return npconv.conv2d(x, w, bias, num_threads=1 + i % 4, **keywords).tobytes() == expected[n]
        return plans[n](x).tobytes() == expected[n]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(16 * 12)))


def run(code: str, **environment: str) -> str:
    """The output of a script in an interpreter of its own: what it changes must not reach the other tests."""
    prelude = "import ctypes, ctypes.util, os, sys\nimport numpy as np\nimport npconv\n" + pretended.prelude()
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", prelude + code], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, f"exit code {result.returncode}: {result.stdout}{result.stderr}"
    return result.stdout


# The C library's floating-point environment; bit 15 of MXCSR, its last word, is flush-to-zero, bit 6
# denormals-are-zero. On 64-bit ARM bit 24 of FPCR, its first word, is both.
ENVIRONMENT = """
libm = ctypes.CDLL(ctypes.util.find_library("m"))
x86 = os.uname().machine == "x86_64"
def environment(set_bits=0):
    words = (ctypes.c_uint32 * 8)()
    libm.fegetenv(words)
    if set_bits:
        words[7 if x86 else 0] |= set_bits
        libm.fesetenv(words)
    return words[7 if x86 else 0] & ~0x3F  # without the flags of past exceptions
FLUSH = 0x8040 if x86 else 1 << 24
"""


def test_flush_to_zero_holds_in_every_worker_and_is_left_as_it_was() -> None:
    # Products of 2^-130 are subnormal: flushed they are 0, else 2^-130, on whatever thread.
    out = run(
        ENVIRONMENT
        + """
x = np.full((1, 8, 64, 64), 2.0**-100, np.float32)
w = np.zeros((64, 8, 3, 3), np.float32); w[:, 0, 1, 1] = 2.0**-30
for isa in npconv._core._isa_names():
    npconv._core._set_isa(isa)
    kept = [npconv.conv2d(x, w, algorithm="gemm", num_threads=n) for n in (1, 2, 7)]
    assert all((y == np.float32(2.0**-130)).all() for y in kept), isa
before = environment()
environment(FLUSH)
during = environment()
assert during != before
for isa in npconv._core._isa_names():
    npconv._core._set_isa(isa)
    flushed = [npconv.conv2d(x, w, algorithm="gemm", num_threads=n) for n in (1, 2, 7)]
    assert environment() == during
    environment_bits = [y.view(np.uint32).max() for y in flushed]
    assert environment_bits == [0, 0, 0], (isa, environment_bits)
print("flushed")
"""
    )
    assert out == "flushed\n"


def test_results_are_ordinary_again_after_flush_to_zero() -> None:
    out = run(
        ENVIRONMENT
        + """
x = np.full((1, 8, 64, 64), 2.0**-100, np.float32)
w = np.zeros((64, 8, 3, 3), np.float32); w[:, 0, 1, 1] = 2.0**-30
before = environment()
words = (ctypes.c_uint32 * 8)()
libm.fegetenv(words)
environment(FLUSH)
assert not npconv.conv2d(x, w, num_threads=7).any()
libm.fesetenv(words)
assert environment() == before
assert (npconv.conv2d(x, w, num_threads=7).view(np.uint32) != 0).all()
print("restored")
"""
    )
    assert out == "restored\n"


@pytest.mark.parametrize("direction", ["down", "up", "toward zero"])
def test_the_rounding_mode_holds_in_every_worker(direction: str) -> None:
    mode = {"down": "0x400 if x86 else 0x800000", "up": "0x800 if x86 else 0x400000",
            "toward zero": "0xC00 if x86 else 0xC00000"}[direction]  # fmt: skip
    out = run(
        ENVIRONMENT
        + f"""
x = np.random.default_rng(0).standard_normal((1, 40, 60, 60)).astype(np.float32)
w = np.random.default_rng(1).standard_normal((64, 40, 3, 3)).astype(np.float32)
nearest = npconv.conv2d(x, w, num_threads=2)
assert libm.fesetround({mode}) == 0
results = [npconv.conv2d(x, w, num_threads=n, algorithm=a) for a in ("gemm", "naive") for n in (1, 2, 7)]
assert libm.fegetround() == ({mode})
libm.fesetround(0)
for algorithm in (results[:3], results[3:]):
    assert all(y.tobytes() == algorithm[0].tobytes() for y in algorithm)
assert results[0].tobytes() != nearest.tobytes()
print("rounded")
"""
    )
    assert out == "rounded\n"


def test_a_forked_child_computes_after_a_parallel_call_in_the_parent() -> None:
    out = run("""
import warnings
x = np.random.default_rng(0).standard_normal((2, 40, 60, 60)).astype(np.float32)
w = np.random.default_rng(1).standard_normal((64, 40, 3, 3)).astype(np.float32)
expected = npconv.conv2d(x, w, num_threads=4).tobytes()
warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of fork with threads: that is the point
def generation(depth):
    pid = os.fork()
    if pid == 0:
        same = all(npconv.conv2d(x, w, num_threads=n).tobytes() == expected for n in (4, 1, 7, 2))
        os._exit(0 if same and (depth == 0 or generation(depth - 1)) else 1)
    return os.waitpid(pid, 0)[1] == 0
assert generation(1)
assert npconv.conv2d(x, w, num_threads=4).tobytes() == expected
print("forked")
""")
    assert out == "forked\n"


def test_many_children_by_multiprocessing() -> None:
    out = run("""
import multiprocessing as mp, warnings
warnings.simplefilter("ignore", DeprecationWarning)
x = np.ones((1, 40, 60, 60), np.float32); w = np.ones((64, 40, 3, 3), np.float32)
def child(n): return float(npconv.conv2d(x, w, num_threads=3)[0, 0, 0, 0])
expected = child(0)
assert abs(expected - 360) < 1e-3
with mp.get_context("fork").Pool(3) as pool:
    assert pool.map(child, range(12)) == [expected] * 12
print("pooled")
""")
    assert out == "pooled\n"


def test_threads_beyond_what_the_system_grants_are_done_without() -> None:
    # No room in the address space for the stacks of 200 threads: OpenMP alone would end the process.
    needs_plain_memory()
    out = run("""
import resource
x = np.random.default_rng(0).standard_normal((8, 40, 60, 60)).astype(np.float32)
w = np.random.default_rng(1).standard_normal((64, 40, 3, 3)).astype(np.float32)
expected = npconv.conv2d(x, w, num_threads=1).tobytes()
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (300 << 20), -1))
for n in (200, 4, 200, 1):
    assert npconv.conv2d(x, w, num_threads=n).tobytes() == expected
print("granted")
""")
    assert out == "granted\n"


def test_a_fork_while_other_threads_use_a_plan_leaves_the_child_able_to_use_it() -> None:
    out = run("""
import signal, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)
x = np.ones((1, 3, 8, 8), np.float32); w = np.ones((4, 3, 3, 3), np.float32)
plan = npconv.plan_conv(x.shape, w)
stop = False
def hammer():
    while not stop: plan(x)
threads = [threading.Thread(target=hammer) for _ in range(4)]
for t in threads: t.start()
failed = 0
for _ in range(150):
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)  # a lock that nobody holds any more would never open
        os._exit(0 if plan(x)[0, 0, 0, 0] == 27 else 1)
    failed += os.waitpid(pid, 0)[1] != 0
stop = True
for t in threads: t.join()
print("failed:", failed)
""")
    assert out == "failed: 0\n"


def test_every_thread_may_run_where_it_might_before() -> None:
    # Threads that wake on the caller's core leave it, and may come back.
    out = run("""
import threading, time
cores = os.sched_getaffinity(0)
x = np.ones((1, 64, 56, 56), np.float32); w = np.ones((64, 64, 3, 3), np.float32)
plan = npconv.plan_conv(x.shape, w, num_threads=3)
expected = plan(x).tobytes()
def masks(): return [os.sched_getaffinity(int(task)) for task in os.listdir("/proc/self/task")]
for _ in range(10):
    time.sleep(0.02)  # they go to sleep
    assert plan(x).tobytes() == expected
assert len(masks()) >= 3 and all(mask == cores for mask in masks()), masks()
here = {min(cores)}
os.sched_setaffinity(0, here)  # the calling thread alone
for _ in range(10):
    time.sleep(0.02)
    assert plan(x).tobytes() == expected
assert os.sched_getaffinity(0) == here
assert all(mask in (here, cores) for mask in masks()), masks()
print("free")
""")
    assert out == "free\n"
