# SPDX-License-Identifier: BSD-3-Clause
"""Prepares the candidates of a transposed convolution or a gradient, checks their results, times them."""

from __future__ import annotations

from collections.abc import Sequence

from adjoint_candidates import AdjointProblem, ours, reference
from adjoint_layers import AdjointLayer
from candidates import OURS, Candidate, UnsupportedError
from figures import relative_error
from peak import Peak
from peers import Peer
from results_io import Key, LayerRun
from runner import entries_of, prepare_peers
from timing import Protocol


def run_adjoint(
    key: Key, layer: AdjointLayer, peers: Sequence[Peer], protocol: Protocol, peak: Peak
) -> LayerRun:
    problem = AdjointProblem.of(layer, key.layout, key.threads)
    candidates: list[Candidate] = []
    missing: dict[str, str] = {}
    try:
        candidates.append(ours(problem))
    except UnsupportedError as error:
        missing[OURS] = str(error)
    others, reasons = prepare_peers(problem, peers)
    expected = reference(problem)

    def error_in(candidate: Candidate) -> float:
        return relative_error(candidate.output(), expected)

    entries = entries_of([*candidates, *others], error_in, key.threads, protocol, peak)
    return LayerRun(layer.name, layer.count, layer.flops, entries, missing | reasons)
