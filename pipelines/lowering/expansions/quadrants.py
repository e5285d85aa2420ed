"""Reduction of angles of any size: x = n pi/2 + r, with |r| <= pi/4 to twice the digits.

x is an integer m times a power of two, and of the bits of 2/pi only those matter whose product with it is neither a
multiple of 4 nor too small to be seen (Payne and Hanek, 1983). They are picked from the words of 2/pi by a chain of
selects, one for each bit of the distance, and multiplied as integers: no table in memory, no branch, and every size
of x costs the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from difc.dialects.mlir import ir
from difc.pipelines.lowering.expansions import coefficients as table
from difc.pipelines.lowering.expansions.doubled import Doubled, choose, normal, product, total
from difc.pipelines.lowering.expansions.reals import Real, Reals, Word

__all__ = ["Angle", "reduced"]


class Angle(NamedTuple):
    """quadrant * pi/2 + rest; only the last two bits of the quadrant count."""

    quadrant: Word
    rest: Doubled


def reduced(f: Reals, size: Real) -> Angle:
    """Reduce a finite number that is not negative."""
    fraction, high = f.format.high_fraction, f.high(size)
    # Below 1 the bits of 2/pi would be needed from before the point: such angles are moved up by 2^-e and back.
    is_small = size < 0.78
    exponent = is_small.choose_word(0, (high >> fraction) - f.format.bias)
    quadrant, turns = _turns(f, size, exponent)
    half_pi = Doubled(*(f.real(part) for part in table.HALF_PI[f.dtype]))
    rest = normal(product(f, turns, half_pi))
    return Angle(is_small.choose_word(0, quadrant), choose(is_small, Doubled(size, f.real(0.0)), rest))


def _turns(f: Reals, size: Real, exponent: Word) -> tuple[Word, Doubled]:
    """Return size 2/pi as an integer (its last two bits) and a rest from -1/2 to 1/2; size < 2^(exponent + 1)."""
    low, high = f.words(size)
    digits = (high & f.format.high_mask) | (1 << f.format.high_fraction)
    count = 6 if f.is_double else 3
    # size = m 2^(exponent - fraction bits). The window begins with the bit of weight 2 in the product with 2^that.
    start = exponent + (_LEADING_ZEROS - f.format.fraction - 2)
    window = _window(f, start, count)
    factors = [low, digits] if f.is_double else [digits]
    words = _product(f, factors, window[::-1])[::-1]
    top, *lower = words
    quadrant = (top + (1 << 29)).logical_shift(30)
    signed = top - (quadrant << 30)
    return quadrant, _fraction(f, signed, lower)


_LEADING_ZEROS = 64
_WORD = 32


def _window(f: Reals, start: Word, count: int) -> list[Word]:
    """Return `count` words of the bits of 2/pi, after so many zeros, from bit `start` on."""
    largest = (1023 - 52 if f.is_double else 127 - 23) + _LEADING_ZEROS
    words: list[Word | int] = [0] * (_LEADING_ZEROS // _WORD)
    words += table.TWO_OVER_PI[: largest // _WORD + count + 1 - len(words)]
    index, shift = start >> 5, start & 31
    bits = (largest // _WORD).bit_length()
    for bit in reversed(range(bits)):
        kept = min(len(words), count + (1 << bit))
        is_set = (index & (1 << bit)).is_("ne", 0)
        moved = words[1 << bit :]
        words = [is_set.choose_word(moved[i], words[i]) if i < len(moved) else words[i] for i in range(kept)]
    found = [f.word(word) for word in words[: count + 1]]
    left = f.word(31) - shift  # a shift by 32 is not defined
    return [(a << shift) | (b.logical_shift(1)).logical_shift(left) for a, b in pairwise(found)]


def _product(f: Reals, factors: Sequence[Word], window: Sequence[Word]) -> list[Word]:
    """Return the product, words in order of weight; one lowest word less, and nothing beyond the window's end."""
    c = f.c

    def wide(name: str, x: ir.Value, y: ir.Value) -> ir.Value:
        return c.value(f"arith.{name}", [x, y], c.i64)

    def widened(word: Word) -> ir.Value:
        return c.value("arith.extui", [word.value], c.i64)

    mask, shift = c.constant((1 << _WORD) - 1, c.i64), c.constant(_WORD, c.i64)
    columns: list[list[ir.Value]] = [[] for _ in window]
    wide_window = [widened(word) for word in window]
    for i, factor in enumerate(map(widened, factors)):
        for j, word in enumerate(wide_window[: len(window) - i]):
            both = wide("muli", factor, word)
            columns[i + j].append(wide("andi", both, mask))
            if i + j + 1 < len(window):
                columns[i + j + 1].append(wide("shrui", both, shift))
    result, carry = [], None
    for column in columns:
        sum_ = carry
        for term in column:
            sum_ = term if sum_ is None else wide("addi", sum_, term)
        assert sum_ is not None
        carry = wide("shrui", sum_, shift)
        result.append(Word(f, c.value("arith.trunci", [sum_], f.i32)))
    return result[1:]


def _fraction(f: Reals, top: Word, lower: Sequence[Word]) -> Doubled:
    """Return a fixed-point number with 30 bits after the point in `top`, and 32 more in each further word."""
    given = [top, *lower[: 3 if f.is_double else 1]]
    words = list(given)
    # Each word is taken as signed, and adds 1 to the one before it where that makes it negative, and where a word of
    # ones becomes 0 by what the next one adds.
    for i in range(len(words) - 1, 0, -1):
        words[i - 1] = words[i - 1] + (words[i] | given[i]).logical_shift(31)
    terms = []
    for i, word in enumerate(words):
        unit = 2.0 ** -(30 + _WORD * i)
        rounded = f.from_word(word)
        if f.is_double:
            terms.append(rounded * unit)
        else:
            terms += [rounded * unit, f.from_word(word - f.to_word(rounded)) * unit]
    first = total(terms[0], terms[1])
    if f.is_double:
        return normal(Doubled(first.high, first.low + (terms[2] + terms[3])))
    second = total(first.high, terms[2])
    return normal(Doubled(second.high, second.low + (first.low + terms[3])))
