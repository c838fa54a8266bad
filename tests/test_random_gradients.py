# SPDX-License-Identifier: BSD-3-Clause
"""Random calls of every gradient and pooling, each operand in memory of an arrangement of its own.

The calls are those of fuzz_gradients.py. They run in a process of their own: a read or a write beyond an
array or a workspace ends at a guard page. What the drawing reaches is tested here, too.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections import Counter

import gradient_calls
import npconv
import pytest
from arrangements import NAMES
from npconv import _core, grad
from test_guard_pages import python

CASES = 700  # `test_the_drawing_reaches` counts among them, too
SEED = 1


@pytest.mark.parametrize("name", _core._isa_names())
def test_random_calls(name: str) -> None:
    arguments = ("--cases", str(CASES), "--seed", str(SEED), "--processes", "1", "--isa", name)
    result = python("fuzz_gradients.py", *arguments)
    assert result.returncode == 0, f"{result.stdout[-4000:]}\n{result.stderr[-1000:]}"
    assert f"cases per instruction set: {name} {CASES}; wrong: 0; seed {SEED};" in result.stdout


@functools.cache
def drawn() -> list[tuple[gradient_calls.Call, gradient_calls.Way]]:
    seeds = [f"{SEED}/{number}" for number in range(CASES)]
    calls = [gradient_calls.draw(seed) for seed in seeds]
    return [
        (call, gradient_calls.draw_way(seed, call, True)) for seed, call in zip(seeds, calls, strict=True)
    ]


def test_the_drawing_reaches_every_function() -> None:
    """Of some rank. Convolution itself is fuzz.py's."""
    names = {re.sub(r"\dd", "Nd", call.text.split()[0]) for call, _ in drawn()}
    functions = {f"grad.{name}" for name in grad.__all__} | set(npconv.__all__)
    wanted = {re.sub(r"\dd", "Nd", name) for name in functions if re.search(r"\dd", name)}
    assert names == wanted - {"convNd", "separable_convNd", "plan_separable_convNd"}


def test_the_drawing_reaches_every_arrangement_of_every_operand() -> None:
    memories = Counter(
        (name, how) for call, way in drawn() for name, how in zip(call.operands, way.memory, strict=True)
    )
    operands = {name for name, _ in memories}
    assert operands == {"x", "w", "bias", "grad_out", "indices", "cols"}
    for name in operands:
        for how in (*NAMES, "mixed"):
            assert memories[name, how] or name in ("bias", "cols"), (name, how)


@pytest.mark.parametrize(("operand", "least"), [("x", 50), ("grad_out", 50), ("indices", 2)])
def test_the_drawing_reaches_axes_of_one_entry(operand: str, least: int) -> None:
    """Of the operand alone, where the result has more, and of the result alone."""
    pairs = [
        list(zip(call.operands[operand].shape, call.answers[0].want.shape, strict=False))
        for call, way in drawn()
        if operand in call.operands and way.memory[list(call.operands).index(operand)] != "plain"
    ]
    assert sum(any(n == 1 < result for n, result in pair) for pair in pairs) >= least
    assert sum(any(n > 1 == result for n, result in pair) for pair in pairs) >= least


def test_a_seed_is_the_same_call_again() -> None:
    for number in range(20):
        seed = f"{SEED}/{number}"
        call = gradient_calls.draw(seed)
        first, way = drawn()[number]
        assert call.text == first.text
        assert gradient_calls.draw_way(seed, call, True) == way
        assert gradient_calls.described(seed, call, way, "avx2") == gradient_calls.described(
            seed, first, way, "avx2"
        )
        for a, b in zip(call.operands.values(), first.operands.values(), strict=True):
            assert a.tobytes() == b.tobytes()


def test_a_wrong_answer_is_told_in_one_line_that_reproduces_it(isa: str) -> None:
    call, way = next(both for both in drawn() if both[0].answers[0].want.size > 1)
    assert gradient_calls.check(call, way, isa) is None
    first = call.answers[0]
    spoiled = dataclasses.replace(first, want=first.want + 1)
    wrong = dataclasses.replace(call, answers=(spoiled, *call.answers[1:]))
    assert " wrong, first at " in str(gradient_calls.check(wrong, way, isa))
    line = gradient_calls.described("1/5", call, way, isa)
    assert line.startswith(f"python tests/fuzz_gradients.py --only 1/5 --isa {isa}  # ")
    assert "\n" not in line
