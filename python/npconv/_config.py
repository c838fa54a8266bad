# SPDX-License-Identifier: BSD-3-Clause
"""show_config: what this build is and what it found on the machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from . import _core


def _openmp_runtimes() -> list[str]:
    """File names of the OpenMP runtimes in this process. Two of them can slow each other down."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    found = re.findall(r"\S*/((?:libgomp|libomp|libiomp5)[^/\s]*)$", maps, flags=re.MULTILINE)
    return sorted(set(found))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(part).replace(', ', '+')}" for key, part in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def show_config(mode: Literal["print", "dict"] = "print") -> dict[str, Any] | None:
    """Show version, compiler, instruction sets, threads and OpenMP runtimes.

    Parameters
    ----------
    mode : {"print", "dict"}
        Print it, or return it as a dict.

    Returns
    -------
    dict or None
        With ``mode="dict"``: ``version``, ``compiler``, ``isa_built``, ``isa_available``, ``isa`` (in use,
        see the environment variable ``NPCONV_ISA``), ``machine`` (what plans are made for: the kind of core,
        features, vector registers, vectors multiplied a cycle, bytes of the caches that one core sees, of a
        cache line and of a page), ``threads``, ``openmp`` (date of its specification) and
        ``openmp_runtimes`` (loaded in this process).

    Raises
    ------
    TypeError, ValueError
        Another mode.

    Examples
    --------
    >>> import npconv
    >>> sorted(npconv.show_config("dict"))[:3]
    ['compiler', 'isa', 'isa_available']
    """
    if not isinstance(mode, str):
        raise TypeError(f'mode must be "print" or "dict", got {mode!r}')
    if mode not in ("print", "dict"):
        raise ValueError(f'mode must be "print" or "dict", got {mode!r}')
    config: dict[str, Any] = {
        "version": _core.__version__,
        "compiler": _core.compiler,
        "isa_built": _core._isas_built(),
        "isa_available": _core._isa_names(),
        "isa": _core._isa(),
        "machine": _core._machine(),
        "threads": _core.get_num_threads(),
        "openmp": _core.openmp,
        "openmp_runtimes": _openmp_runtimes(),
    }
    if mode == "dict":
        return config
    width = max(map(len, config))
    for key, value in config.items():
        print(f"{key:<{width}}  {_text(value)}")
    return None
