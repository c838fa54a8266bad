# SPDX-License-Identifier: BSD-3-Clause
"""Winograd touches no memory that is not its own: arrays, workspace and packed weights on guard pages."""

from __future__ import annotations

import pytest
from npconv import _core
from test_guard_pages import python

CASES = 400


@pytest.mark.parametrize("any_shape", [False, True], ids=["3x3", "any shape"])
@pytest.mark.parametrize("name", _core._isa_names())
def test_no_access_beyond_any_buffer(name: str, any_shape: bool) -> None:
    arguments = f"{name!r}, {CASES}, 1, {any_shape}"
    result = python("-c", f"import winograd_cases; winograd_cases.guarded_cases({arguments})")
    last = result.stderr.splitlines()[-1:] if result.stderr else []
    assert result.returncode == 0, f"exit code {result.returncode} in {last}\n{result.stderr[-2000:]}"
    assert result.stdout == f"guarded cases: {CASES}\n"
