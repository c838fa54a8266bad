# SPDX-License-Identifier: BSD-3-Clause
"""The libraries npconv is compared with, one module each; those that are not installed are left out.

A module of a peer has `NAME`, `MINIMUM` (the version below which a comparison does not count), `version()`,
and `prepare(problem) -> list[Candidate]`, which raises UnsupportedError where the peer cannot run a problem.
Convolutions and pooling have modules of their own, or share one, where a model is all that differs.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from candidates import Candidate, UnsupportedError

# torch first: it brings the OpenMP runtime that ncnn shares.
MODULES = {
    "conv": ("torch_peer", "ort_peer", "openvino_peer", "ncnn_peer", "litert_peer", "scipy_peer"),
    "adjoint": ("torch_adjoint", "ort_peer", "openvino_peer", "ncnn_adjoint"),
    "pool": ("torch_pool", "ort_peer", "openvino_peer", "ncnn_pool", "litert_pool", "scipy_pool"),
}


@dataclass(frozen=True)
class Peer:
    name: str
    version: str
    minimum: str
    module: ModuleType

    @property
    def too_old(self) -> bool:
        from packaging.version import Version

        return Version(self.version) < Version(self.minimum)

    def prepare(self, problem: Any) -> list[Candidate]:
        """Candidates, or UnsupportedError: whatever goes wrong in a peer must not end the run."""
        try:
            candidates: list[Candidate] = self.module.prepare(problem)
        except UnsupportedError:
            raise
        except Exception as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise UnsupportedError(lines[0][:200]) from error
        return candidates


def load(names: list[str] | None = None, kind: str = "conv") -> tuple[list[Peer], list[str]]:
    """The peers that are installed (of `names`, or all), and a line for each that is not."""
    found, missing = [], []
    for module_name in MODULES[kind]:
        name = module_name.partition("_")[0]
        if names is not None and name not in names:
            continue
        try:
            module = importlib.import_module(f"peers.{module_name}")
        except ImportError as error:
            missing.append(f"{name} is left out: {error}")
            continue
        found.append(Peer(module.NAME, module.version(), module.MINIMUM, module))
    return found, missing
