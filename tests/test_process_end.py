# SPDX-License-Identifier: BSD-3-Clause
"""The edges of a process: exit while threads compute, limits of threads and memory, other interpreters."""

from __future__ import annotations

import sys

import pytest
from rules import needs_plain_memory, printed_by, run_python

PRELUDE = """
import sys, threading, time
import numpy as np
import npconv
from npconv import grad
x, w = np.ones((1, 16, 64, 64), np.float32), np.ones((32, 16, 3, 3), np.float32)
many = np.ones((64, 64, 3, 3), np.float32)
"""
WORK = {
    "plain call": "npconv.conv2d(x, w)",
    "one thread": "npconv.conv2d(x, w, num_threads=1)",
    "naive": "npconv.conv2d(x, w, algorithm='naive')",
    "planning": "npconv.plan_conv(x.shape, w)",
    "plan": "plan = plan or npconv.plan_conv(x.shape, w); plan(x); plan.update_weights(w)",
    # NumPy copies them, and releases the GIL for it.
    "new weights": "plan = plan or npconv.plan_conv((1, 64, 8, 8), many); plan.update_weights(many)",
    "transposed": "npconv.conv_transpose2d(x, w.transpose(1, 0, 2, 3), stride=2)",
    "gradients": "grad.conv2d_weight(x, w.shape, np.ones((1, 32, 62, 62), np.float32))",
    "pooling": "npconv.max_pool2d(x, 2, return_indices=True); npconv.avg_pool2d(x, 5, stride=1)",
    "unfold": "npconv.fold2d(npconv.unfold2d(x, 3), (64, 64), 3)",
}


@pytest.mark.parametrize("name", WORK)
def test_a_process_with_daemon_threads_ends_with_its_exit_code(name: str) -> None:
    code = f"""{PRELUDE}
def work():
    plan = None
    while True: {WORK[name]}
for _ in range(3): threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
sys.exit(3)
"""
    for _ in range(3):
        child = run_python(code)
        assert child.returncode == 3, f"exit code {child.returncode}: {child.stderr[-2000:]}"


def test_a_process_whose_daemon_threads_are_in_one_long_call_ends() -> None:
    child = run_python(f"""{PRELUDE}
large = np.broadcast_to(w[:1, :1], (4096, 16, 3, 3))
threading.Thread(target=lambda: npconv.conv2d(x, large, algorithm='naive'), daemon=True).start()
time.sleep(0.2)
sys.exit(3)
""")
    assert child.returncode == 3, f"exit code {child.returncode}: {child.stderr[-2000:]}"


LIMITED = """
import resource
def limit(megabytes):
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (megabytes << 20), -1))
expected = npconv.conv2d(x, w, num_threads=1).tobytes()
threading.stack_size(256 << 10)
start, results = threading.Event(), []
def work(n):
    start.wait()
    try:
        results.append(npconv.conv2d(x, w, num_threads=n).tobytes() == expected)
    except MemoryError:
        results.append(True)
workers = [threading.Thread(target=work, args=(2 + i % 7,)) for i in range({threads})]
limit({megabytes})
started = 0
for t in workers:
    try: t.start(); started += 1
    except RuntimeError: break  # Python's own threads do not fit
start.set()
for t in workers[:started]: t.join()
print(all(results))
"""


@pytest.mark.parametrize("megabytes", [200, 400, 800, 1600, 3200])
def test_many_threads_that_grow_teams_under_a_limit_of_memory(megabytes: int) -> None:
    needs_plain_memory()
    for threads in (8, 24):
        out = printed_by(PRELUDE + LIMITED.format(threads=threads, megabytes=megabytes))
        assert out.endswith("True")


INTERPRETERS = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"


@pytest.mark.parametrize("first", ["import npconv", "pass"], ids=["after the main one", "as the first"])
def test_another_interpreter_is_refused_at_once(first: str) -> None:
    out = printed_by(f"""
import {INTERPRETERS} as interpreters, sys
{first}
code = f'''
import sys
sys.path[:] = {{sys.path!r}}
try:
    import npconv
except ImportError as error:
    assert "interpreter" in str(error), error
    print("refused", flush=True)
'''
for i in range(3):
    interpreters.run_string(interpreters.create(), code)
""")
    assert out.split() == ["refused"] * 3
