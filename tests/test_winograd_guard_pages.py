# SPDX-License-Identifier: BSD-3-Clause
"""Winograd touches no memory that is not its own: arrays, workspace and packed weights on guard pages."""

from __future__ import annotations

import pytest
from npconv import _core
from test_guard_pages import python

CASES = 600


@pytest.mark.parametrize("name", _core._isa_names())
def test_no_access_beyond_any_buffer(name: str) -> None:
    result = python("-c", f"import winograd_cases; winograd_cases.guarded_cases({name!r}, {CASES}, 1)")
    last = result.stderr.splitlines()[-1:] if result.stderr else []
    assert result.returncode == 0, f"exit code {result.returncode} in {last}\n{result.stderr[-2000:]}"
    assert result.stdout == f"guarded cases: {CASES}\n"
