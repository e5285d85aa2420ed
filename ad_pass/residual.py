"""Store or recompute: which values of a scan body are stacked for its reverse.

Residuals of a body are needed once per step, so each stored one is a tape. Many follow from others by elementwise code
that costs next to nothing where they are used. The choice is a minimum cut: among all sets of values from which every
residual can be computed again by cheap ops, the one with the fewest bytes. (As in the min-cut rematerialization of
PyTorch's partitioner; Dinic's algorithm for the flow.)
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

from difc.dialects import Aval, aval_of, clone_op, needed_first
from difc.dialects.elementwise import BINARY, UNARY
from difc.dialects.mlir import ir

__all__ = ["Recomputation", "minimum_cut"]

#: Ops that are computed again rather than stored: elementwise ones, and those that only move elements.
CHEAP = frozenset(op.name for op in (*UNARY, *BINARY)) | {
    "dif.compare",
    "dif.select",
    "dif.convert",
    "dif.constant",
    "dif.zeros",
    "dif.iota",
    "dif.broadcast_in_dim",
    "dif.reshape",
    "dif.transpose",
    "dif.slice",
}

RUN_TIME_SIZE = 64  # what a dim counts whose size is known only at run time


def _bytes(aval: Aval) -> float:
    return math.prod(d if isinstance(d, int) else RUN_TIME_SIZE for d in aval.shape) * aval.dtype.itemsize


class Recomputation:
    """How to get the residuals of a body from fewer values.

    Args:
      residuals: values of a body that are needed elsewhere.
      is_free: says of a value that it is there anyway (an input of each step, or the same in all steps).

    Attributes:
      leaves: the values that have to be supplied: chosen ones, and free ones that these do not cover.
    """

    def __init__(self, residuals: Sequence[ir.Value], is_free: Callable[[ir.Value], bool]) -> None:
        self._is_free = is_free
        self._stored = self._choose(residuals)
        self.leaves: list[ir.Value] = []
        seen: set[ir.Value] = set()
        stack = list(reversed(residuals))
        while stack:
            value = stack.pop()
            if value in seen:
                continue
            seen.add(value)
            if value in self._stored or is_free(value):
                self.leaves.append(value)
            else:
                stack.extend(reversed(list(value.owner.operation.operands)))

    def _choose(self, residuals: Sequence[ir.Value]) -> set[ir.Value]:
        """Return the cheapest set of values to store."""
        # A value has two nodes, where it enters and, the next one, where it leaves; its size is the capacity between.
        places: dict[ir.Value, int] = {}
        edges: list[tuple[int, int, float]] = []
        source, sink = 0, 1
        uses: list[tuple[ir.Value, int]] = [(v, sink) for v in residuals if not self._is_free(v)]
        pending = [v for v, _ in uses]
        while pending:
            value = pending.pop()
            if value in places:
                continue
            node = places[value] = 2 + 2 * len(places)
            edges.append((node, node + 1, _bytes(aval_of(value))))
            operation = None if isinstance(value.owner, ir.Block) else value.owner.operation
            if operation is None or operation.name not in CHEAP:
                edges.append((source, node, math.inf))
            else:
                operands = [v for v in operation.operands if not self._is_free(v)]
                uses += [(v, node) for v in operands]
                pending += operands
        edges += [(places[value] + 1, node, math.inf) for value, node in uses]
        reached = minimum_cut(2 + 2 * len(places), edges, source, sink)
        return {value for value, node in places.items() if node in reached and node + 1 not in reached}

    def rebuild(self, supplied: dict[ir.Value, ir.Value], residuals: Sequence[ir.Value]) -> list[ir.Value]:
        """Return the residuals in the current builder, from values for all `leaves`; `supplied` grows on the way."""

        def needs(value: ir.Value) -> list[ir.Value]:
            return [] if value in supplied else list(value.owner.operation.operands)

        for residual in residuals:
            for value in needed_first(residual, needs):
                if value not in supplied:
                    operation = value.owner.operation
                    (supplied[value],) = clone_op(operation, [supplied[v] for v in operation.operands])
        return [supplied[v] for v in residuals]


def minimum_cut(nodes: int, edges: Sequence[tuple[int, int, float]], source: int, sink: int) -> set[int]:
    """Return the source's side of a minimum cut of a directed graph with edges (from, to, capacity).

    Raises:
      ValueError: if a path of infinite capacity joins source and sink.

    Example: `minimum_cut(3, [(0, 2, 5.0), (2, 1, 3.0)], 0, 1)` is `{0, 2}`.
    """
    to: list[int] = []
    room: list[float] = []
    out: list[list[int]] = [[] for _ in range(nodes)]
    for a, b, capacity in edges:
        out[a].append(len(to))
        out[b].append(len(to) + 1)
        to += [b, a]
        room += [capacity, 0.0]
    while True:
        level = [-1] * nodes
        level[source] = 0
        queue = deque([source])
        while queue:
            a = queue.popleft()
            for e in out[a]:
                if room[e] > 0 and level[to[e]] < 0:
                    level[to[e]] = level[a] + 1
                    queue.append(to[e])
        if level[sink] < 0:
            return {n for n in range(nodes) if level[n] >= 0}
        _block_flow(out, to, room, level, source, sink)


def _block_flow(
    out: list[list[int]], to: list[int], room: list[float], level: list[int], source: int, sink: int
) -> None:
    """Saturate all shortest paths, one depth-first path at a time."""
    following = [0] * len(out)
    path: list[int] = []
    node = source
    while True:
        if node == sink:
            flow = min(room[e] for e in path)
            if flow == math.inf:
                raise ValueError("a path of infinite capacity")
            for e in path:
                room[e] -= flow
                room[e ^ 1] += flow
            path, node = [], source
            continue
        while following[node] < len(out[node]):
            e = out[node][following[node]]
            if room[e] > 0 and level[to[e]] == level[node] + 1:
                break
            following[node] += 1
        else:
            if node == source:
                return
            level[node] = -1  # a dead end
            node = to[path.pop() ^ 1]
            continue
        path.append(e)
        node = to[e]
