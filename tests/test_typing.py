# SPDX-License-Identifier: BSD-3-Clause
"""The static types of the public functions and plans: arrays of float32 give arrays of float32.

The calls are in typing_cases.py. mypy reads them; and they are run, which shows that the types come back.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import npconv
import numpy as np
import pytest
import typing_cases
from npconv import grad
from typing_cases import CLASSES, FORWARD, GRADIENTS, MAXIMA, OTHERS, PLANS, UNKNOWN


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What mypy says of the right and of the wrong calls, file by file."""
    folder = tmp_path_factory.mktemp("typing")
    typing_cases.write(folder)
    package = Path(npconv.__file__).parents[1]
    environment = dict(os.environ)
    if package.name not in ("site-packages", "dist-packages"):  # where mypy looks of itself
        environment["MYPYPATH"] = str(package)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--hide-error-context"]
    result = subprocess.run(
        [*command, "--cache-dir", str(folder / "cache"), "right.py", "wrong.py"],
        capture_output=True, text=True, timeout=600, cwd=folder, env=environment,
    )  # fmt: skip
    assert result.returncode in (0, 1), result.stdout + result.stderr
    lines = [line for line in result.stdout.splitlines() if ": error:" in line]
    assert all(line.startswith(("right.py:", "wrong.py:")) for line in lines), result.stdout
    return {name: [line for line in lines if line.startswith(name)] for name in ("right.py", "wrong.py")}


def test_every_public_function_has_a_call() -> None:
    def named(*tables: dict[str, str]) -> set[str]:
        return {name.format(N=n) for table in tables for name in table for n in (1, 2, 3)}

    classes = {name for name in CLASSES if hasattr(npconv, name)}
    assert named(FORWARD, MAXIMA) | set(PLANS) | OTHERS | classes == set(npconv.__all__)
    plans = {"plan_conv_input_grad", "plan_conv_weight_grad"}
    assert named(GRADIENTS) | plans | CLASSES - classes == set(grad.__all__)


def test_the_dtype_of_the_arrays_is_that_of_the_result(checked: dict[str, list[str]]) -> None:
    assert not checked["right.py"]


def test_dtypes_that_cannot_be_are_found_before_a_run(checked: dict[str, list[str]]) -> None:
    found = {int(line.split(":")[1]) for line in checked["wrong.py"]}
    assert found == typing_cases.wrong()[1], checked["wrong.py"]


def matches(value: Any, expected: Any) -> bool:
    """Whether a result is of a type, as far as a run can tell."""
    if expected is None:
        return value is None
    if isinstance(value, tuple):
        kinds = typing.get_args(expected)
        return len(kinds) == len(value) and all(map(matches, value, kinds))
    if typing.get_origin(expected) is not np.ndarray:
        return isinstance(value, typing.get_origin(expected))
    (scalar,) = typing.get_args(typing.get_args(expected)[1])
    kinds = typing.get_args(scalar) or (scalar,)
    if scalar is Any or kinds == (Any,):
        return isinstance(value, np.ndarray)
    return isinstance(value, np.ndarray) and any(np.issubdtype(value.dtype, kind) for kind in kinds)


def test_the_types_are_those_that_come_back() -> None:
    seen = []

    def assert_type(value: Any, expected: Any) -> None:
        seen.append(expected)
        union = typing.get_args(expected) if "UnionType" in type(expected).__name__ else (expected,)
        assert any(matches(value, kind) for kind in union), (value, expected)

    exec(compile(typing_cases.right(), "right.py", "exec"), {"assert_type": assert_type, "__name__": "right"})
    assert len(seen) == len(list(typing_cases.calls())) + len(UNKNOWN)


@pytest.mark.parametrize("plan", [getattr(npconv, n, getattr(grad, n, None)) for n in sorted(CLASSES)])
def test_plans_are_generic_when_run_too(plan: Any) -> None:
    assert typing.get_origin(plan[np.float32]) is plan
    with pytest.raises(TypeError, match="cannot be made directly"):
        plan[np.float32]()


def test_annotations_can_be_read() -> None:
    """By what looks at signatures when they run: documentation, validation of arguments."""
    for module in (npconv, grad):
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isfunction(thing):
                hints = typing.get_type_hints(thing)
                assert "return" in hints, name
