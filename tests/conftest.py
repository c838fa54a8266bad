# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures and Hypothesis profiles of all tests.

npconv is imported when a test asks for it, not here: the oracle's own tests run without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import cases
import pretended
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "npconv", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
# The same examples on every run, so that a change is never blamed for an older fault.
settings.register_profile("ci", settings.get_profile("npconv"), derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "npconv"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--isa", help="force an instruction set for the whole run, whatever the machine has")
    parser.addoption("--core", help="pretend a kind of core for the whole run: narrow, wide or far-sighted")


def pytest_configure(config: pytest.Config) -> None:
    isa, core = config.getoption("--isa"), config.getoption("--core")
    if isa is None and core is None:
        return
    try:
        pretended.pretend(isa, core)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_report_header() -> str | None:
    if pretended.ISA is None and pretended.CORE is None:
        return None
    return (
        f"pretended machine: {pretended.ISA or 'its own instruction set'}, {pretended.CORE or 'its own'} core"
    )


@pytest.fixture(autouse=True)
def pretended_machine() -> Iterator[None]:
    """What --isa and --core force holds before each test and after it."""
    pretended.expect_pretended()
    yield
    pretended.expect_pretended()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "isa" in metafunc.fixturenames:
        from npconv import _core

        names = [pretended.ISA] if pretended.ISA else _core._isa_names()
        metafunc.parametrize("isa", names, indirect=True)


@pytest.fixture
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set in turn, or that of --isa, forced; and the proof that it ran, and no other."""
    from npconv import _core

    before = _core._kernel_runs()
    with cases.forced(request.param):
        yield request.param
    after = _core._kernel_runs()
    ran = {name for name, runs in after.items() if runs > before.get(name, 0)} - {"naive", "winograd"}
    assert ran == {request.param}, f"{request.param} was forced, {sorted(ran)} ran"
