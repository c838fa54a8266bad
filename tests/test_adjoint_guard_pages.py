# SPDX-License-Identifier: BSD-3-Clause
"""Transposed convolutions and gradients touch no memory that is not their own."""

from __future__ import annotations

import pytest
from npconv import _core
from test_guard_pages import python

CASES = 400


@pytest.mark.parametrize("name", _core._isa_names())
def test_no_access_beyond_any_buffer(name: str) -> None:
    result = python("guarded_adjoint.py", name, str(CASES), "1")
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout == f"guarded cases: {CASES}\n"
