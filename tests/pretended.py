# SPDX-License-Identifier: BSD-3-Clause
"""The machine that a run of the tests pretends to have: an instruction set and a kind of core.

    pytest --isa avx2 --core narrow -m machine
    python tests/pretended.py          # all of them, one after the other

What is chosen depends on both: algorithms, tiles, how weights are packed. Results,
promises and errors must not. Tests in a child process say prelude() first, where what is chosen matters.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ISA: str | None = None  # None: what npconv chooses
CORE: str | None = None  # None: the real one
CHILDREN = "NPCONV_TESTS_CORE"  # a variable that tests alone read


def pretend(isa: str | None, core: str | None) -> None:
    """Force both for this process. ValueError, listing what there is, where one is unknown."""
    global ISA, CORE
    from npconv import _core

    if isa is not None:
        _core._set_isa(isa)
        os.environ["NPCONV_ISA"] = isa  # of child processes, too
    if core is not None:
        _core._pretend_core(core)
        os.environ[CHILDREN] = core
    ISA, CORE = isa, core


def inherit() -> None:
    """In a child process that runs a part of the tests: pretend the core that its parent does."""
    from npconv import _core

    _core._pretend_core(os.environ.get(CHILDREN, ""))


def expect_pretended() -> None:
    """Fail where a test left another machine behind."""
    if ISA is None and CORE is None:
        return
    from npconv import _core

    assert ISA in (None, _core._isa()), f"{ISA} was forced for the run, {_core._isa()} is in use"
    assert CORE in (None, _core._core_kind()), f"{CORE} was forced for the run, not {_core._core_kind()}"


def prelude() -> str:
    """Code by which a child process pretends the same."""
    lines = ["import npconv"] if ISA or CORE else []
    if ISA:
        lines.append(f"npconv._core._set_isa({ISA!r})")
    if CORE:
        lines.append(f"npconv._core._pretend_core({CORE!r})")
    return "".join(line + "\n" for line in lines)


def all_machines() -> list[tuple[str, str]]:
    """Each instruction set that this machine has, on each kind of core that is known."""
    from npconv import _core

    return [(isa, core) for isa in _core._isa_names() for core in _core._core_kinds()]


def main(*arguments: str) -> int:
    """Run the tests that are marked `machine` for each; the exit code of the first that fails."""
    for isa, core in all_machines():
        command = [sys.executable, "-m", "pytest", "-q", "-m", "machine", "--isa", isa, "--core", core]
        status = subprocess.run([*command, *arguments], cwd=Path(__file__).parents[1], check=False).returncode
        if status != 0:
            print(f"failed: {' '.join([*command[1:], *arguments])}")
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
