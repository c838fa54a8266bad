# SPDX-License-Identifier: BSD-3-Clause
"""Runs tables: prepares the candidates of each layer, checks their results, times them."""

from __future__ import annotations

from collections.abc import Sequence

import npconv
import numpy as np
from candidates import OURS, Array, Candidate, Problem, UnsupportedError, our_plain_call, our_plan
from figures import median_entry
from layers import Layer
from peak import Peak
from peers import Peer
from results_io import Key, LayerRun, Run
from timing import Protocol, measure
from tqdm import tqdm


def run_table(
    key: Key, layers: Sequence[Layer], peers: Sequence[Peer], protocol: Protocol, bar: tqdm[None]
) -> Run:
    """All layers of a table once."""
    npconv._core._set_isa(key.isa)
    peak = Peak(key.isa, key.dtype)
    done = []
    for layer in layers:
        bar.set_postfix_str(f"{key.set}, {key.layout}, {key.threads} thr: {layer.name}")
        done.append(_run_layer(key, layer, peers, protocol, peak))
        bar.update()
    return Run(peak.gflops, done)


def _run_layer(key: Key, layer: Layer, peers: Sequence[Peer], protocol: Protocol, peak: Peak) -> LayerRun:
    problem = Problem.of(layer, key.layout, key.dtype, key.threads, key.direct)
    candidates, missing = _prepare(key, problem, peers)
    try:
        expected = reference(problem)
        errors = []
        for candidate in candidates:
            candidate.call()
            errors.append(relative_error(candidate.output(), expected))
        times = measure(candidates, key.threads, protocol, peak) if candidates else []
        entries = [
            median_entry(c.peer, c.variant, seen, error)
            for c, seen, error in zip(candidates, times, errors, strict=True)
        ]
    finally:
        for candidate in candidates:
            candidate.close()
    return LayerRun(layer.name, layer.count, layer.flops, entries, missing)


def _prepare(key: Key, problem: Problem, peers: Sequence[Peer]) -> tuple[list[Candidate], dict[str, str]]:
    candidates: list[Candidate] = []
    missing: dict[str, str] = {}
    make = our_plan if key.calls == "plan" else our_plain_call
    try:
        candidates.append(make(problem, key.algorithm))
    except UnsupportedError as error:
        missing[OURS] = str(error)
    for peer in peers:
        if key.calls == "plain" and peer.name != "torch":
            continue  # the others have no plain call
        try:
            candidates += peer.prepare(problem)
        except UnsupportedError as error:
            missing[peer.name] = str(error)
    return candidates, missing


def reference(problem: Problem) -> Array:
    """The result in float64, in the problem's layout: by PyTorch, or where it is not installed by npconv."""
    layer = problem.layer
    x, w = problem.x.astype(np.float64), problem.w.astype(np.float64)
    try:
        import torch
        import torch.nn.functional as F
    except ImportError:
        return npconv.plan_conv(x.shape, w, algorithm="gemm", **problem.arguments())(x)
    if problem.channels_last:
        x = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    around = [n for pair in reversed(layer.padding) for n in pair]
    function = getattr(F, f"conv{layer.rank}d")
    padded = F.pad(torch.from_numpy(x), around)
    y = function(padded, torch.from_numpy(w), None, layer.stride, 0, layer.dilation, layer.groups).numpy()
    return np.moveaxis(y, 1, -1) if problem.channels_last else y


def relative_error(y: Array, expected: Array) -> float:
    """Relative L2 error; infinity for a wrong shape or a NaN."""
    if y.shape != expected.shape:
        return float("inf")
    error = float(np.linalg.norm((y - expected).ravel()) / np.linalg.norm(expected.ravel()))
    return error if error == error else float("inf")
