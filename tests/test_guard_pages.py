# SPDX-License-Identifier: BSD-3-Clause
"""No kernel touches memory that is not its own: every array, workspace and packed weights on a guard page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import guarded
import numpy as np
import pytest
from npconv import _core

HERE = Path(__file__).parent
CASES = 600


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=HERE, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("algorithm", ["gemm", "depthwise", "direct"])
@pytest.mark.parametrize("name", _core._isa_names())
def test_no_access_beyond_any_buffer(name: str, algorithm: str) -> None:
    result = python("guarded.py", name, str(CASES), "1", algorithm)
    last = result.stderr.splitlines()[-1:] if result.stderr else []
    assert result.returncode == 0, f"exit code {result.returncode} in {last}\n{result.stderr[-2000:]}"
    assert result.stdout == f"guarded cases: {CASES}\n"


@pytest.mark.parametrize(("side", "index"), [(guarded.AFTER, 5), (guarded.BEFORE, -1)])
def test_a_guard_page_stops_one_element_too_far(side: int, index: int) -> None:
    code = (
        "import ctypes, guarded; a = guarded.guarded((5,), 'float32', %d);"
        "print((ctypes.c_float * 5).from_address(a.ctypes.data)[4], flush=True);"
        "print(ctypes.c_float.from_address(a.ctypes.data + 4 * %d).value)"
    )
    result = python("-c", code % (side, index))
    assert result.returncode == -11
    assert result.stdout == "nan\n"


def test_guarded_array_is_an_ordinary_array() -> None:
    a = guarded.guarded((3, 4), "float64", guarded.AFTER)
    assert np.isnan(a).all()
    a[...] = 1
    assert a.sum() == 12
