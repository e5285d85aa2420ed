"""Names of run-time sizes while a function is traced: polynomials in the names that the specs give.

`f32["batch", 3]` has the size `batch`; stacking two of it gives `2*batch`. Two sizes are equal if their polynomials
are. The dialect knows only `?`; this is what makes a mismatch of two named sizes an error at the user's line.
"""

from __future__ import annotations

import itertools
from typing import Any

from difc.dialects import DYN, Aval, NamedDim

__all__ = ["Dim", "exact_quotient", "fresh_dim", "plain"]

_counter = itertools.count()


class _Floor(str):
    """The name of `max(dim, bound)`, which remembers the two."""

    dim: Any
    bound: int

    def __new__(cls, dim: Any, bound: int) -> _Floor:
        self = super().__new__(cls, f"max({dim}, {bound})")
        self.dim, self.bound = dim, bound
        return self


class Dim(NamedDim):
    """An integer polynomial in named sizes, with the arithmetic that type rules need.

    Example: `Dim.named("batch") * 2 + 1` prints as `2*batch + 1`.
    """

    def __init__(self, terms: dict[tuple[str, ...], int]) -> None:
        self.terms = {names: factor for names, factor in sorted(terms.items()) if factor}

    @staticmethod
    def named(name: str) -> Dim:
        return Dim({(name,): 1})

    @staticmethod
    def _of(value: Any) -> Dim:
        return value if isinstance(value, Dim) else Dim({(): int(value)})

    def _simple(self) -> Any:
        """Return a plain int where no name is left."""
        if not self.terms:
            return 0
        return self.terms[()] if set(self.terms) == {()} else self

    def __add__(self, other: Any) -> Any:
        total = dict(self.terms)
        for names, factor in Dim._of(other).terms.items():
            total[names] = total.get(names, 0) + factor
        return Dim(total)._simple()

    def __mul__(self, other: Any) -> Any:
        total: dict[tuple[str, ...], int] = {}
        for a, x in self.terms.items():
            for b, y in Dim._of(other).terms.items():
                key = tuple(sorted((*a, *b)))
                total[key] = total.get(key, 0) + x * y
        return Dim(total)._simple()

    def __neg__(self) -> Any:
        return self * -1

    def __sub__(self, other: Any) -> Any:
        return self + Dim._of(other) * -1

    def __rsub__(self, other: Any) -> Any:
        return Dim._of(other) - self

    def __floordiv__(self, other: Any) -> Any:
        exact = exact_quotient(self, other)
        return Dim.named(f"({_grouped(self)} // {_grouped(other)})") if exact is None else exact

    def at_least(self, bound: int) -> Any:
        return Dim.named(_Floor(self, bound)) if any(f < 0 for f in self.terms.values()) else self

    __radd__, __rmul__ = __add__, __mul__

    def __eq__(self, other: object) -> bool:
        return self.terms == other.terms if isinstance(other, Dim) else False

    def __hash__(self) -> int:
        return hash(tuple(self.terms.items()))

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        for names, factor in self.terms.items():  # x - max(x - y, 0) is the smaller one of x and y
            if factor == -1 and len(names) == 1 and isinstance(names[0], _Floor) and names[0].bound == 0:
                rest = self + Dim.named(names[0])
                return f"min({rest}, {rest - names[0].dim})"
        parts = []
        for names, factor in sorted(self.terms.items(), key=lambda term: (term[1] > 0, term[0]), reverse=True):
            text = "*".join(([str(abs(factor))] if abs(factor) != 1 or not names else []) + list(names))
            parts.append((" - " if factor < 0 else " + ") + text)
        joined = "".join(parts)
        return joined[3:] if joined.startswith(" + ") else f"-{joined[3:]}"

    __repr__ = __str__


def _grouped(x: Any) -> str:
    text = str(x)
    return f"({text})" if " " in text else text


def fresh_dim() -> Dim:
    """Return a size about which nothing is known, as from `np.zeros(n)` with a computed `n`."""
    return Dim.named(f"size{next(_counter)}")


def plain(aval: Aval) -> Aval:
    """Return a type without the names of its run-time sizes."""
    return Aval(tuple(d if isinstance(d, int) else DYN for d in aval.shape), aval.dtype)


def exact_quotient(x: Any, y: Any) -> Any:
    """Return x / y for sizes, ints or named, where it is known to leave no rest; else None."""
    dividend, divisor = Dim._of(x), Dim._of(y)
    if dividend == divisor:
        return 1
    if len(divisor.terms) != 1:
        return None
    ((names, factor),) = divisor.terms.items()
    quotient: dict[tuple[str, ...], int] = {}
    for own, count in dividend.terms.items():
        rest = list(own)
        for name in names:
            if name not in rest:
                return None
            rest.remove(name)
        if count % factor:
            return None
        quotient[tuple(rest)] = count // factor
    return Dim(quotient)._simple()
