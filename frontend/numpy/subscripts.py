"""`einsum`: subscripts to pairwise contractions, in the order that opt_einsum finds cheapest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import opt_einsum

from difc import dialects as dif
from difc.dialects import BOOL, aval_of
from difc.dialects.mlir import ir
from difc.errors import InputError
from difc.numpy.common import reshaped, shape_error, shape_of, transposed
from difc.numpy.contraction import contracted, operands_of
from difc.numpy.reduction import summed
from difc.numpy.registry import implements
from difc.promotion import to_dtype
from difc.source import user_frame_location
from difc.tracer import lift, wrap

__all__ = ["einsum"]

#: The size that a run-time size counts as when the order of contractions is chosen.
ASSUMED_SIZE = 64


@implements(np.einsum)
def einsum(
    *operands: Any, out: Any = None, optimize: Any = True, dtype: Any = None, order: Any = "K", casting: Any = "safe"
) -> Any:
    """Return the sum of products that subscripts such as "ij,jk->ik" describe. (numpy.einsum)

    Subscripts may repeat a label (a diagonal), have an ellipsis, or be lists of integers after each operand. The
    order of contractions is always optimized.

    Raises:
      InputError: for subscripts that do not fit the operands.
      ShapeError: for axes of one label and different sizes.
    """
    if isinstance(operands[0], str):
        text, arrays = operands[0].replace(" ", ""), operands[1:]
        inputs, result = _parse(text)
    else:
        arrays, inputs, result = _interleaved(operands)
    values = operands_of(*arrays)
    if dtype is not None:
        values = [to_dtype(v, np.dtype(dtype)) for v in values]
    if len(inputs) != len(values):
        raise _error(f"{len(inputs)} subscripts for {len(values)} operands")
    labels, out_labels = _expand_ellipsis(inputs, result, values)
    sizes = _sizes(labels, values)
    terms = [_prepared(v, own, sizes) for v, own in zip(values, labels, strict=True)]
    for pair in _order(terms, out_labels, sizes):
        chosen = [terms[i] for i in pair]
        terms = [t for i, t in enumerate(terms) if i not in pair]
        terms.append(_combined(chosen, out_labels, terms))
    return wrap(_finished(*terms[0], out_labels))


def _error(message: str) -> InputError:
    return InputError(f"einsum: {message}", where=user_frame_location(), remedy='write subscripts as in "ij,jk->ik"')


# ---- subscripts ----------------------------------------------------------------------------------

_ELLIPSIS = "..."
Label = Any


def _parse(text: str) -> tuple[list[list[Label]], list[Label] | None]:
    left, arrow, right = text.partition("->")
    if not all(c.isalpha() or c in ".,->" for c in text) or (not arrow and ("-" in text or ">" in text)):
        raise _error(f"{text!r} has characters that are not labels")
    return [_labels(part) for part in left.split(",")], (_labels(right) if arrow else None)


def _labels(part: str) -> list[Label]:
    before, dots, after = part.partition(_ELLIPSIS)
    if "." in before or "." in after:
        raise _error(f"{part!r} has an ellipsis that is not three dots")
    return [*before, *([_ELLIPSIS] if dots else []), *after]


def _interleaved(operands: Sequence[Any]) -> tuple[tuple[Any, ...], list[list[Label]], list[Label] | None]:
    """Read operands that are each followed by a list of integers."""

    def read(labels: Any) -> list[Label]:
        if not all(label is Ellipsis or isinstance(label, (int, np.integer)) for label in labels):
            raise _error(f"the labels {list(labels)} after an operand are not integers or `...`")
        return [_ELLIPSIS if label is Ellipsis else int(label) for label in labels]

    given = list(operands)
    result = read(given.pop()) if len(given) % 2 else None
    return tuple(given[0::2]), [read(labels) for labels in given[1::2]], result


def _expand_ellipsis(
    inputs: list[list[Label]], result: list[Label] | None, values: list[ir.Value]
) -> tuple[list[list[Label]], list[Label]]:
    """Return labels without ellipses, in whose place stand numbered ones, counted from the right."""
    expanded = []
    widest = 0
    for labels, value in zip(inputs, values, strict=True):
        rank = aval_of(value).ndim
        extra = rank - len(labels) + (_ELLIPSIS in labels)
        if extra < 0 or (_ELLIPSIS not in labels and rank != len(labels)):
            raise _error(f"subscripts {_text(labels)!r} do not fit an operand of {rank} dimensions")
        expanded.append(_replaced(labels, extra))
        widest = max(widest, extra if _ELLIPSIS in labels else 0)
    if result is None:
        counted = [label for labels in inputs for label in labels if label is not _ELLIPSIS]
        once = sorted(label for label in set(counted) if counted.count(label) == 1)
        result = ([_ELLIPSIS] if widest else []) + once
    elif widest and _ELLIPSIS not in result:
        raise _error("the operands have an ellipsis, and the result has none")
    out = _replaced(result, widest)
    known = {label for labels in expanded for label in labels}
    if len(set(out)) != len(out) or not set(out) <= known:
        raise _error(f"the result {_text(result)!r} has a label twice, or one that no operand has")
    return expanded, out


def _replaced(labels: list[Label], count: int) -> list[Label]:
    if _ELLIPSIS not in labels:
        return list(labels)
    at = labels.index(_ELLIPSIS)
    return [*labels[:at], *((_ELLIPSIS, i) for i in range(count, 0, -1)), *labels[at + 1 :]]


def _text(labels: list[Label]) -> str:
    return "".join(map(str, labels))


# ---- terms: a value and its labels ---------------------------------------------------------------

Term = tuple[ir.Value, list[Label]]


def _sizes(labels: list[list[Label]], values: list[ir.Value]) -> dict[Label, Any]:
    """Return the size of each label; a size of 1 is repeated to another."""
    sizes: dict[Label, Any] = {}
    for own, value in zip(labels, values, strict=True):
        for label, size in zip(own, shape_of(value), strict=True):
            known = sizes.setdefault(label, size)
            if known == 1:
                sizes[label] = size
            elif size not in (1, known):
                name = "the ellipsis" if isinstance(label, tuple) else f"label {label!r}"
                raise shape_error(f"einsum: axes of {name} have sizes {known} and {size}", "make these sizes equal")
    return sizes


def _prepared(x: ir.Value, labels: list[Label], sizes: dict[Label, Any]) -> Term:
    """Return a term in which each label occurs once, and no axis of size 1 stands for a longer one."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            x, labels = _on_diagonal(x, labels, label)
    kept = [i for i, label in enumerate(labels) if shape_of(x)[i] == sizes[label]]
    return reshaped(x, [shape_of(x)[i] for i in kept]), [labels[i] for i in kept]


def _on_diagonal(x: ir.Value, labels: list[Label], label: Label) -> Term:
    """Merge the first two axes of one label into the diagonal of both."""
    first = labels.index(label)
    second = labels.index(label, first + 1)
    shape = shape_of(x)
    if shape[first] != shape[second]:
        raise shape_error(
            f"einsum: label {label!r} names axes of sizes {shape[first]} and {shape[second]} of one operand"
        )
    rest = [i for i in range(len(labels)) if i not in (first, second)]
    moved = transposed(x, [*rest, first, second])
    return lift(np.diagonal(wrap(moved), 0, -2, -1)), [*(labels[i] for i in rest), label]


def _order(terms: list[Term], out_labels: list[Label], sizes: dict[Label, Any]) -> list[tuple[int, ...]]:
    """Return which terms to combine, step by step; what is made goes to the end of the list."""
    if len(terms) < 3:
        return [tuple(range(len(terms)))] if len(terms) == 2 else []
    symbols = {label: opt_einsum.get_symbol(i) for i, label in enumerate(sizes)}
    inputs = ",".join("".join(symbols[label] for label in labels) for _, labels in terms)
    shapes = [tuple(d if isinstance(d, int) else ASSUMED_SIZE for d in shape_of(x)) for x, _ in terms]
    result = "".join(symbols[label] for label in out_labels)
    path, _ = opt_einsum.contract_path(f"{inputs}->{result}", *shapes, shapes=True, optimize="auto")
    steps: list[tuple[int, ...]] = []
    count = len(terms)
    for step in path:
        step = tuple(sorted(step))
        while len(step) > 2:  # a step of many operands, as opt_einsum makes at the end: one pair after the other
            steps.append(step[:2])
            count -= 1
            step = (*(i - 2 for i in step[2:]), count - 1)
        steps.append(step)
        count -= 1
    return steps


def _combined(chosen: list[Term], out_labels: list[Label], others: list[Term]) -> Term:
    """Return the product of two terms, summed over the labels that nothing else has."""
    needed = {*out_labels, *(label for _, labels in others for label in labels)}
    (lhs, lhs_labels), (rhs, rhs_labels) = chosen
    kept = list(dict.fromkeys(label for label in (*lhs_labels, *rhs_labels) if label in needed))
    batch = [label for label in kept if label in lhs_labels and label in rhs_labels]
    ordered = (
        out_labels if set(kept) == set(out_labels) and not others else [*batch, *(k for k in kept if k not in batch)]
    )
    return contracted(lhs, lhs_labels, rhs, rhs_labels, ordered), list(ordered)


def _finished(x: ir.Value, labels: list[Label], out_labels: list[Label]) -> ir.Value:
    """Return the last term with its axes as the result has them."""
    alone = tuple(i for i, label in enumerate(labels) if label not in out_labels)
    if aval_of(x).dtype == BOOL:
        x = dif.reduce_or(x, axes=alone) if alone else x
    else:
        x = summed(x, alone)
    labels = [label for label in labels if label in out_labels]
    return transposed(x, [labels.index(label) for label in out_labels])
