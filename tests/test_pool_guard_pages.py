# SPDX-License-Identifier: BSD-3-Clause
"""No pooling touches memory that is not its own: every array and workspace on a guard page, gradients too."""

from __future__ import annotations

import guarded_pool
import numpy as np
import pytest
from guarded import AFTER, BEFORE
from npconv import _core
from pool_cases import DTYPES
from test_guard_pages import python

CASES = 500


@pytest.mark.parametrize("name", _core._isa_names())
def test_no_access_beyond_any_array(name: str) -> None:
    result = python("guarded_pool.py", name, str(CASES), "1")
    last = result.stderr.splitlines()[-1:] if result.stderr else []
    assert result.returncode == 0, f"exit code {result.returncode} in {last}\n{result.stderr[-2000:]}"
    assert result.stdout == f"guarded cases: {CASES}\n"


@pytest.mark.parametrize(("side", "index"), [(AFTER, 5), (BEFORE, -1)])
def test_a_guard_page_stops_one_byte_too_far(side: int, index: int) -> None:
    code = (
        "import ctypes, numpy as np, guarded_pool; a = guarded_pool.placed(np.full(5, 7, np.int8), %d);"
        "print((ctypes.c_int8 * 5).from_address(a.ctypes.data)[4], flush=True);"
        "print(ctypes.c_int8.from_address(a.ctypes.data + %d).value)"
    )
    result = python("-c", code % (side, index))
    assert result.returncode == -11
    assert result.stdout == "7\n"


@pytest.mark.parametrize("dtype", DTYPES)
def test_placed_arrays_are_ordinary_arrays(dtype: str) -> None:
    for shape in ((3, 5), (1,), (0, 4), ()):
        a = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape)
        for side in (AFTER, BEFORE):
            placed = guarded_pool.placed(a, side)
            assert placed.flags.aligned
            np.testing.assert_array_equal(placed, a, strict=True)
            assert guarded_pool.blank(shape, dtype, side).tobytes() == b"\xa5" * a.nbytes
