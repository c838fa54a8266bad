# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures and Hypothesis profiles of all tests.

npconv is imported when a test asks for it, not here: the oracle's own tests run without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import cases
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "npconv", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
# The same examples on every run, so that a change is never blamed for an older fault.
settings.register_profile("ci", settings.get_profile("npconv"), derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "npconv"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "isa" in metafunc.fixturenames:
        from npconv import _core

        metafunc.parametrize("isa", _core._isa_names(), indirect=True)


@pytest.fixture
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set of this machine in turn, forced; and the proof that it ran, and no other."""
    from npconv import _core

    before = _core._kernel_runs()
    with cases.forced(request.param):
        yield request.param
    after = _core._kernel_runs()
    ran = {name for name, runs in after.items() if runs > before.get(name, 0)} - {"naive", "winograd"}
    assert ran == {request.param}, f"{request.param} was forced, {sorted(ran)} ran"
