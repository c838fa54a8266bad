# SPDX-License-Identifier: BSD-3-Clause
"""The design page's rules on what belongs to the process: thread counts, show_config, NPCONV_ISA, the import.

One test a rule, whose name says it. What the environment decides is tried in child processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import mmap
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import npconv
import numpy as np
import pytest
from npconv import _core
from rules import printed_by, problem, run_python
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def default_threads() -> Iterator[None]:
    """No setting of another test before, none of this one after."""
    npconv.set_num_threads(None)
    yield
    npconv.set_num_threads(None)


# ---- thread counts: argument over context over set_num_threads over threadpoolctl over environment ---------

GET = "import npconv; print(npconv.get_num_threads())"
SHAPE = (8, 32, 64, 64)
WEIGHTS = np.ones((32, 32, 3, 3), np.float32)


def threads_of(plan: npconv.ConvPlan) -> int:
    """The threads that a call of this plan, of more tasks than threads, would use here and now."""
    workspace = npconv.plan_conv(SHAPE, WEIGHTS, num_threads=1).workspace_bytes
    assert plan.workspace_bytes % workspace == 0
    return plan.workspace_bytes // workspace


def test_the_environment_is_the_last_to_be_asked() -> None:
    for n in (1, 3, 5):
        assert printed_by(GET, OMP_NUM_THREADS=str(n)) == str(n)


def test_affinity_counts_where_the_environment_says_nothing() -> None:
    one_cpu = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);"
    assert printed_by(one_cpu + GET) == "1"
    assert printed_by(GET) == str(len(os.sched_getaffinity(0)))


def test_threadpoolctl_is_over_the_environment() -> None:
    code = """
import npconv, threadpoolctl
for n in (2, 7):
    with threadpoolctl.threadpool_limits(n, user_api="openmp"):
        print(npconv.get_num_threads(), end=" ")
print(npconv.get_num_threads())
"""
    assert printed_by(code, OMP_NUM_THREADS="3") == "2 7 3"


def test_set_num_threads_is_over_threadpoolctl_and_none_takes_it_back() -> None:
    with threadpool_limits(2, user_api="openmp"):
        npconv.set_num_threads(5)
        assert npconv.get_num_threads() == 5
        npconv.set_num_threads(None)
        assert npconv.get_num_threads() == 2


def test_set_num_threads_is_for_the_whole_process() -> None:
    npconv.set_num_threads(np.int64(6))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(npconv.get_num_threads).result() == 6
        pool.submit(npconv.set_num_threads, 4).result()
    assert npconv.get_num_threads() == 4


def test_the_context_is_over_set_num_threads_and_ends() -> None:
    npconv.set_num_threads(5)
    with npconv.num_threads(3) as nothing:
        assert nothing is None
        assert npconv.get_num_threads() == 3
        npconv.set_num_threads(6)
        assert npconv.get_num_threads() == 3
    assert npconv.get_num_threads() == 6


def test_the_context_ends_with_an_exception_which_it_lets_pass() -> None:
    before = npconv.get_num_threads()
    with pytest.raises(KeyError), npconv.num_threads(9):
        raise KeyError
    assert npconv.get_num_threads() == before


def test_contexts_nest_and_can_be_used_again() -> None:
    before = npconv.get_num_threads()
    outer = npconv.num_threads(4)
    for _ in range(2):
        with outer:
            with npconv.num_threads(2):
                with outer:
                    assert npconv.get_num_threads() == 4
                assert npconv.get_num_threads() == 2
            assert npconv.get_num_threads() == 4
        assert npconv.get_num_threads() == before


def test_contexts_are_those_of_their_thread() -> None:
    both_inside = threading.Barrier(3, timeout=10)

    def inside(n: int) -> int:
        with npconv.num_threads(n):
            both_inside.wait()
            seen = npconv.get_num_threads()
            both_inside.wait()
        return seen

    before = npconv.get_num_threads()
    with ThreadPoolExecutor(2) as pool:
        seen = [pool.submit(inside, n) for n in (11, 12)]
        both_inside.wait()
        assert npconv.get_num_threads() == before
        both_inside.wait()
        assert [s.result() for s in seen] == [11, 12]


def test_contexts_are_those_of_their_asyncio_task() -> None:
    async def inside(n: int) -> list[int]:
        seen = []
        with npconv.num_threads(n):
            for _ in range(3):
                await asyncio.sleep(0)
                seen.append(npconv.get_num_threads())
        return seen

    async def main() -> Any:
        with npconv.num_threads(10):
            return *(await asyncio.gather(inside(11), inside(12))), npconv.get_num_threads()

    assert asyncio.run(main()) == ([11] * 3, [12] * 3, 10)


def test_one_context_object_serves_several_threads_and_tasks() -> None:
    """As a limit that a module keeps for all its calls: each entry is undone where it was made."""
    limit = npconv.num_threads(7)
    before = npconv.get_num_threads()
    entered = threading.Barrier(2, timeout=10)

    def thread(leaves_first: bool) -> list[int]:
        try:
            with limit:
                entered.wait()
                seen = [npconv.get_num_threads()]
                if not leaves_first:
                    entered.wait()
            return [*seen, npconv.get_num_threads()]
        finally:
            if leaves_first:
                entered.wait()

    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(thread, first) for first in (True, False)]
        assert [r.result() for r in results] == [[7, before]] * 2

    async def task(steps: int) -> int:
        with limit:
            for _ in range(steps):
                await asyncio.sleep(0)
        return npconv.get_num_threads()

    async def main() -> Any:
        return await asyncio.gather(task(2), task(1))

    assert asyncio.run(main()) == [before] * 2


def test_the_argument_is_over_the_context() -> None:
    npconv.set_num_threads(5)
    plan = npconv.plan_conv(SHAPE, WEIGHTS, num_threads=2)
    with npconv.num_threads(4):
        assert threads_of(plan) == 2
        assert threads_of(npconv.plan_conv(SHAPE, WEIGHTS)) == 4
    assert threads_of(plan) == 2
    assert threads_of(plan.for_shape(SHAPE)) == 2


def test_a_plan_without_the_argument_follows_the_present_setting() -> None:
    plan = npconv.plan_conv(SHAPE, WEIGHTS)
    for n in (3, 1, 4):
        npconv.set_num_threads(n)
        assert threads_of(plan) == n
        assert f"at most {n} thread" in plan.explain()


def test_as_many_threads_as_that_run() -> None:
    """Threads of the process before and after calls that differ in what they are told."""
    code = """
import os, npconv, numpy as np, threadpoolctl
x, w = np.ones((8, 32, 64, 64), np.float32), np.ones((32, 32, 3, 3), np.float32)
plan = npconv.plan_conv(x.shape, w)
first = len(os.listdir("/proc/self/task"))
def told():
    print(len(os.listdir("/proc/self/task")) - first + 1, end=" ")
npconv.conv2d(x, w); told()
with threadpoolctl.threadpool_limits(2, user_api="openmp"):
    npconv.conv2d(x, w); told()
npconv.set_num_threads(3)
plan(x); told()
with npconv.num_threads(5):
    npconv.conv2d(x, w, num_threads=4); told()
    plan(x); told()
npconv.plan_conv(x.shape, w, num_threads=6)(x); told()
"""
    assert printed_by(code, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1") == "1 2 3 4 5 6"


def test_numbers_of_threads_are_from_1_to_1024() -> None:
    for n in (1, 1024):
        npconv.set_num_threads(n)
        assert npconv.get_num_threads() == n
        with npconv.num_threads(n):
            assert npconv.get_num_threads() == n
    npconv.set_num_threads(None)
    for use in (npconv.set_num_threads, npconv.num_threads):
        for n in (0, -1, 1025, 2**63, -(2**64)):
            with pytest.raises(ValueError, match=rf"num_threads must .*{n}"):
                use(n)
        for wrong in (1.0, "2", True, np.array(2), float("nan"), [1], np.float64(1)):
            with pytest.raises(TypeError, match=r"num_threads must be .*int, got"):
                use(wrong)
    with pytest.raises(TypeError, match="num_threads must be an int, got None"):
        npconv.num_threads(None)  # type: ignore[arg-type]


# ---- show_config -------------------------------------------------------------------------------------------


def test_show_config_dict_has_what_the_design_lists() -> None:
    config = npconv.show_config("dict")
    assert config is not None
    assert list(config) == [
        "version",
        "compiler",
        "isa_built",
        "isa_available",
        "isa",
        "machine",
        "threads",
        "openmp",
        "openmp_runtimes",
    ]
    assert config["version"] == npconv.__version__
    assert config["compiler"].split()[0] in ("GCC", "Clang")
    assert set(config["isa_available"]) <= set(config["isa_built"])
    assert config["isa_available"] == _core._isa_names()
    assert config["isa"] == _core._isa() in config["isa_available"]
    with npconv.num_threads(17):
        assert npconv.show_config(mode="dict")["threads"] == 17  # type: ignore[index]
    assert config["openmp"] >= 201511  # OpenMP 4.5
    assert any(name.startswith(("libgomp", "libomp", "libiomp")) for name in config["openmp_runtimes"])
    json.dumps(config)  # plain types only


def test_show_config_prints_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert npconv.show_config() is None
    default = capsys.readouterr().out
    assert npconv.show_config(mode="print") is None
    assert capsys.readouterr().out == default
    lines = default.splitlines()
    config = npconv.show_config("dict")
    assert config is not None
    assert [line.split()[0] for line in lines] == list(config)
    for line, value in zip(lines, config.values(), strict=True):
        shown = line.split(maxsplit=1)[1]
        if isinstance(value, dict):
            assert [part.split()[0] for part in shown.split(", ")] == list(value)
        else:
            assert shown == (", ".join(value) if isinstance(value, list) else str(value))


def test_show_config_tells_what_plans_are_made_for() -> None:
    config = npconv.show_config("dict")
    assert config is not None
    machine = config["machine"]
    assert machine["core"] in _core._core_kinds()
    assert ("avx2" in machine["features"]) == ("avx2" in config["isa_available"])
    assert ("avx512" in machine["features"]) == ("avx512" in config["isa_available"])
    assert machine["products_per_cycle"] in (1, 2)
    assert 4096 <= machine["l1d_bytes"] <= machine["l2_bytes"]
    assert machine["l3_bytes"] == 0 or machine["l3_bytes"] >= machine["l2_bytes"] // 8
    assert machine["line_bytes"] in (32, 64, 128, 256)
    assert machine["page_bytes"] == mmap.PAGESIZE
    with contextlib.suppress(FileNotFoundError):  # as the system tells it, where it does
        text = Path("/sys/devices/system/cpu/cpu0/cache/index0/size").read_text(encoding="ascii").strip()
        kind = Path("/sys/devices/system/cpu/cpu0/cache/index0/type").read_text(encoding="ascii").strip()
        if kind == "Data" and text.endswith("K"):
            assert machine["l1d_bytes"] == int(text[:-1]) * 1024


def test_show_config_knows_two_modes() -> None:
    for mode in ("", "Dict", "json"):
        with pytest.raises(ValueError, match=f'mode must be "print" or "dict", got {mode!r}'):
            npconv.show_config(mode)  # type: ignore[arg-type]
    for wrong in (None, 1, True, b"dict", ["dict"]):
        with pytest.raises(TypeError, match='mode must be "print" or "dict", got '):
            npconv.show_config(wrong)  # type: ignore[arg-type]


# ---- instruction sets --------------------------------------------------------------------------------------

RUN = """
import npconv, numpy as np
from npconv import _core
y = npconv.conv1d(np.ones((1, 3, 9)), np.ones((2, 3, 2)))
assert (y == 6).all()
print(npconv.show_config("dict")["isa"], *[name for name, n in _core._kernel_runs().items() if n])
"""


@pytest.mark.parametrize("name", _core._isa_names())
def test_npconv_isa_forces_an_instruction_set(name: str) -> None:
    assert printed_by(RUN, NPCONV_ISA=name) == f"{name} {name}"


def test_without_npconv_isa_the_best_one_is_used() -> None:
    best = _core._isa_names()[0]
    assert printed_by(RUN) == f"{best} {best}"
    assert printed_by(RUN, NPCONV_ISA="") == f"{best} {best}"


@pytest.mark.parametrize("name", ["sse9", "AVX2", "avx2 ", "naive", "all"])
def test_an_unknown_npconv_isa_is_a_value_error_that_lists_what_there_is(name: str) -> None:
    child = run_python("import npconv", NPCONV_ISA=name)
    assert child.returncode == 1
    last = child.stderr.splitlines()[-1]
    assert last.startswith("ValueError: ")
    assert "NPCONV_ISA" in last
    for shown in (*_core._isa_names(), name):
        assert f'"{shown}"' in last
    with pytest.raises(ValueError, match="NPCONV_ISA"):
        _core._set_isa(name)


def test_a_plan_keeps_the_instruction_set_that_it_was_made_with() -> None:
    x, w, _ = problem(2)
    best, *others = _core._isa_names()
    plan = npconv.plan_conv(x.shape, w)
    for other in others:
        assert _core._set_isa(other) == best
        before = _core._kernel_runs()
        plan(x)
        assert _core._set_isa(best) == other
        assert {name for name, n in _core._kernel_runs().items() if n > before[name]} == {best}


# ---- the import --------------------------------------------------------------------------------------------


def test_import_prints_nothing_and_brings_only_numpy() -> None:
    child = run_python("import npconv", OMP_NUM_THREADS="2")
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")
    code = """
import sys, numpy
before = set(sys.modules)
import npconv
new = {name.split(".")[0] for name in set(sys.modules) - before} - {"numpy"}
print(sorted(name for name in new if name not in sys.stdlib_module_names))
"""
    assert printed_by(code) == "['npconv']"


def test_the_names_of_the_package_are_those_of_the_design() -> None:
    names = {"conv1d", "conv2d", "conv3d", "plan_conv", "ConvPlan", "show_config", "__version__"}
    names |= {"set_num_threads", "get_num_threads", "num_threads"}
    assert names <= set(npconv.__all__)
    assert all(hasattr(npconv, name) for name in npconv.__all__)
