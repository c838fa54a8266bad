# SPDX-License-Identifier: BSD-3-Clause
"""Results as data, and as JSON: what was measured, on what machine, with which versions."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 1
# Entries beside those of peers: a copy of as many bytes as a pooling layer moves, by all threads and by one.
COPY, COPY_ALONE = "memcpy", "memcpy, 1 thread"
COPIES = (COPY, COPY_ALONE)


@dataclass(frozen=True)
class Entry:
    """One candidate on one layer in one run; `seconds`: the median over the rounds, from `low` to `high`."""

    peer: str
    variant: str
    seconds: float
    low: float
    high: float
    rounds: int  # 1: hopelessly slow, timed once
    error: float  # relative L2 error against float64


@dataclass(frozen=True)
class LayerRun:
    """A layer in one run; `missing` says why a peer has no entry."""

    name: str
    count: int
    flops: int
    entries: list[Entry]
    missing: dict[str, str] = field(default_factory=dict)
    bytes: int = 0  # read and written: pooling's measure, as operations are that of convolutions


@dataclass(frozen=True)
class Run:
    peak: float  # GFLOP/s of one core
    layers: list[LayerRun]


@dataclass(frozen=True)
class Key:
    """What was asked of a table; two tables with one key can be compared."""

    set: str
    layout: str
    threads: int
    dtype: str = "float32"
    calls: str = "plan"
    isa: str = ""
    algorithm: str = "auto"
    direct: bool = False
    kind: str = "conv"  # or pool

    @property
    def title(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        calls = {"plan": "plans", "plain": "plain calls"}[self.calls]
        parts = [self.set, self.layout, threads, self.dtype, calls, self.isa]
        parts += [f"algorithm {self.algorithm}"] if self.algorithm != "auto" else []
        parts += ["peers without Winograd where they can be told so"] if self.direct else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Table:
    key: Key
    network: bool
    runs: list[Run]


@dataclass(frozen=True)
class Report:
    date: str
    commit: str
    machine: dict[str, Any]
    versions: dict[str, str]
    caveats: list[str]  # why this is not a claim; empty for a claim
    notes: list[str]
    protocol: dict[str, Any]
    tables: list[Table]


def save(report: Report, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"schema": SCHEMA, **_rounded(asdict(report))}
    path.write_text(_compact(data) + "\n", encoding="utf-8")


def load(path: Path) -> Report:
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict) or data.pop("schema", None) != SCHEMA:
        raise ValueError(f"{path} is not a result of this version of the benchmark")
    return Report(**{**data, "tables": [_table(t) for t in data["tables"]]})


def _table(data: dict[str, Any]) -> Table:
    return Table(Key(**data["key"]), data["network"], [_run(r) for r in data["runs"]])


def _run(data: dict[str, Any]) -> Run:
    layers = [
        LayerRun(**{**layer, "entries": [Entry(**e) for e in layer["entries"]]}) for layer in data["layers"]
    ]
    return Run(data["peak"], layers)


def _rounded(value: Any) -> Any:
    """Floats to five significant digits: more is noise, and the files are kept in the repository."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value


def _compact(value: Any, indent: str = "") -> str:
    """JSON with one line for each innermost object, so that differences of files can be read."""
    deeper = indent + " "
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not any(isinstance(v, dict | list) for v in nested):
        return json.dumps(value)
    if isinstance(value, dict):
        lines = [f"{deeper}{json.dumps(k)}: {_compact(v, deeper)}" for k, v in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(deeper + _compact(v, deeper) for v in value) + f"\n{indent}]"
