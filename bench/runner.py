# SPDX-License-Identifier: BSD-3-Clause
"""Runs tables: prepares the candidates of each layer, checks their results, times them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import npconv
import numpy as np
from candidates import OURS, Array, Candidate, Problem, UnsupportedError, our_plain_call, our_plan
from figures import median_entry, relative_error
from layers import Layer
from peak import Peak
from peers import Peer
from results_io import Entry, Key, LayerRun, Run
from timing import Protocol, measure
from tqdm import tqdm

# Measures one layer of a table.
RunLayer = Callable[[Key, Any, Sequence[Peer], Protocol, Peak], LayerRun]


def run_table(
    key: Key,
    layers: Sequence[Any],
    peers: Sequence[Peer],
    protocol: Protocol,
    bar: tqdm[None],
    run_layer: RunLayer,
) -> Run:
    """All layers of a table once."""
    npconv._core._set_isa(key.isa)
    peak = Peak(key.isa, key.dtype)
    done = []
    for layer in layers:
        bar.set_postfix_str(f"{key.set}, {key.layout}, {key.threads} thr: {layer.name}")
        done.append(run_layer(key, layer, peers, protocol, peak))
        bar.update()
    return Run(peak.gflops, done)


def run_convolution(
    key: Key, layer: Layer, peers: Sequence[Peer], protocol: Protocol, peak: Peak
) -> LayerRun:
    problem = Problem.of(layer, key.layout, key.dtype, key.threads, key.direct)
    candidates: list[Candidate] = []
    missing: dict[str, str] = {}
    make = our_plan if key.calls == "plan" else our_plain_call
    try:
        candidates.append(make(problem, key.algorithm))
    except UnsupportedError as error:
        missing[OURS] = str(error)
    # The others have no plain call.
    fitting = [peer for peer in peers if key.calls == "plan" or peer.name == "torch"]
    others, reasons = prepare_peers(problem, fitting)
    expected = reference(problem)

    def error_in(candidate: Candidate) -> float:
        return relative_error(candidate.output(), expected)

    entries = entries_of([*candidates, *others], error_in, key.threads, protocol, peak)
    return LayerRun(layer.name, layer.count, layer.flops, entries, missing | reasons)


def prepare_peers(problem: Any, peers: Sequence[Peer]) -> tuple[list[Candidate], dict[str, str]]:
    """Their candidates, and why a peer has none."""
    candidates: list[Candidate] = []
    missing: dict[str, str] = {}
    for peer in peers:
        try:
            candidates += peer.prepare(problem)
        except UnsupportedError as error:
            missing[peer.name] = str(error)
    return candidates, missing


def entries_of(
    candidates: Sequence[Candidate],
    error: Callable[[Candidate], float],
    threads: int,
    protocol: Protocol,
    peak: Peak,
) -> list[Entry]:
    """Runs, checks, times and closes the candidates of a layer."""
    try:
        errors = []
        for candidate in candidates:
            candidate.call()
            errors.append(error(candidate))
        times = measure(candidates, threads, protocol, peak) if candidates else []
    finally:
        for candidate in candidates:
            candidate.close()
    return [
        median_entry(c.peer, c.variant, seen, e) for c, seen, e in zip(candidates, times, errors, strict=True)
    ]


PRODUCTS_AT_ONCE = 100_000_000  # of an output channel


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
    padded, weights = F.pad(torch.from_numpy(x), around), torch.from_numpy(w)
    # In bands of the first axis, because PyTorch's copy of the input has a value for each product.
    rows, stride = layer.output_size[0], layer.stride[0]
    reach = layer.dilation[0] * (layer.kernel[0] - 1) + 1
    products = layer.flops // 2 // layer.o * layer.groups
    height = max(1, rows * PRODUCTS_AT_ONCE // max(1, products))
    bands = [
        function(
            padded[:, :, a * stride : (b - 1) * stride + reach],
            weights,
            None,
            layer.stride,
            0,
            layer.dilation,
            layer.groups,
        )
        for a in range(0, rows, height)
        for b in [min(rows, a + height)]
    ]
    y = torch.cat(bands, 2).numpy()
    return np.moveaxis(y, 1, -1) if problem.channels_last else y
