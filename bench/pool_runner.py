# SPDX-License-Identifier: BSD-3-Clause
"""Prepares the candidates of a pooling layer, checks their results, times them."""

from __future__ import annotations

from collections.abc import Sequence

import npconv
from candidates import OURS, Candidate, UnsupportedError
from peak import Peak
from peers import Peer
from pool_candidates import PoolProblem, copies, ours
from pool_layers import PoolLayer
from pool_reference import error_of, reference
from results_io import COPIES, Key, LayerRun
from runner import entries_of, prepare_peers
from timing import Protocol


def run_pooling(
    key: Key, layer: PoolLayer, peers: Sequence[Peer], protocol: Protocol, peak: Peak
) -> LayerRun:
    """npconv, the copy where windows do not overlap, and the peers, in that order."""
    npconv.set_num_threads(key.threads)  # for functions without the argument
    problem = PoolProblem.of(layer, key.layout, key.threads)
    candidates: list[Candidate] = []
    missing: dict[str, str] = {}
    try:
        candidates.append(ours(problem))
    except UnsupportedError as error:
        missing[OURS] = str(error)
    candidates += copies(problem) if layer.disjoint else []
    others, reasons = prepare_peers(problem, peers)
    expected = reference(problem)

    def error_in(candidate: Candidate) -> float:
        return 0.0 if candidate.peer in COPIES else error_of(problem, candidate.output(), expected)

    entries = entries_of([*candidates, *others], error_in, key.threads, protocol, peak)
    return LayerRun(layer.name, 1, 0, entries, missing | reasons, layer.bytes)
