"""Arithmetic on one element as Python expressions: `x * y + 1` appends the operations that compute it.

A `Reals` is the arithmetic of one float dtype in the code being emitted; it makes `Real`s (f32 or f64), `Flag`s (i1)
and `Word`s (i32: the bits of an f32, or half of those of an f64). The expansions are written in these, once for both
dtypes and all targets. Imports the emitter and no rules.

What compilers do to such code, measured, and what follows:

- LLVM contracts `x * y + z` into one rounding. So nothing here relies on a product being rounded: where an error term
  is needed, products are made exact, by clearing the low half of the factors (`Reals.head`).
- Mesa's drivers (and any Vulkan driver may) turn `(x + y) - x` into `y`. What `Reals.settled` returns is out of their
  reach: its last bit is cleared as an integer.
- They move and join constants: `((1 - x) + y) + 2e-17` becomes `(y - x) + 1`. So constants in sums that keep lost
  digits are `Reals.hidden`.
- IREE's portable Vulkan profile emulates i64, and then cannot see the bits of an f64 but as a vector of two words.
- CPU code takes subnormal numbers as zero, Vulkan code may keep them: the expansions scale where a step would underflow
  though the result does not.
- LLVM does not know it: it turns `(x > 0) & (x < inf)` into a test of bits that subnormal numbers pass, and they are
  zero in what follows. So what a quotient relies on is `Reals.is_usable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from difc.dialects.mlir import ir
from difc.dialects.types import F32, F64
from difc.pipelines.lowering.context import Context, element_type
from difc.pipelines.lowering.emitter import SIGNED, UNSIGNED

__all__ = ["Flag", "Format", "Real", "Reals", "Word"]

_FLOAT_PREDICATES = {"eq": 1, "gt": 2, "ge": 3, "lt": 4, "le": 5, "ne": 13}


@dataclass(frozen=True)
class Format:
    """How a dtype stores numbers: fraction bits (of all its words, and of the high one), exponent bias."""

    fraction: int
    high_fraction: int
    bias: int

    @property
    def one(self) -> int:
        """The high word of 1.0."""
        return self.bias << self.high_fraction

    @property
    def high_mask(self) -> int:
        """The fraction bits of the high word."""
        return (1 << self.high_fraction) - 1


FORMATS = {F32: Format(23, 23, 127), F64: Format(52, 20, 1023)}
_HEAD_OF_F32 = -1 << 12
_LOW_WORD = (1 << 32) - 1


class Flag:
    """A truth value."""

    __slots__ = ("f", "value")

    def __init__(self, f: Reals, value: ir.Value) -> None:
        self.f, self.value = f, value

    def __and__(self, other: Flag) -> Flag:
        return Flag(self.f, self.f.c.value("arith.andi", [self.value, other.value], self.f.c.i1))

    def __or__(self, other: Flag) -> Flag:
        return Flag(self.f, self.f.c.value("arith.ori", [self.value, other.value], self.f.c.i1))

    def __invert__(self) -> Flag:
        true = self.f.c.constant(1, self.f.c.i1)
        return Flag(self.f, self.f.c.value("arith.xori", [self.value, true], self.f.c.i1))

    def choose(self, on_true: Real | float, on_false: Real | float) -> Real:
        """Return one of two numbers."""
        f = self.f
        return Real(f, f.c.select(self.value, f.real(on_true).value, f.real(on_false).value))

    def choose_word(self, on_true: Word | int, on_false: Word | int) -> Word:
        """Return one of two words."""
        f = self.f
        return Word(f, f.c.select(self.value, f.word(on_true).value, f.word(on_false).value))


class Word:
    """A 32-bit integer; comparisons and `>>` take it as signed."""

    __slots__ = ("f", "value")

    def __init__(self, f: Reals, value: ir.Value) -> None:
        self.f, self.value = f, value

    def _op(self, name: str, other: Word | int) -> Word:
        return Word(self.f, self.f.c.value(f"arith.{name}", [self.value, self.f.word(other).value], self.value.type))

    def __add__(self, other: Word | int) -> Word:
        return self._op("addi", other)

    def __sub__(self, other: Word | int) -> Word:
        return self._op("subi", other)

    def __mul__(self, other: Word | int) -> Word:
        return self._op("muli", other)

    def __and__(self, other: Word | int) -> Word:
        return self._op("andi", other)

    def __or__(self, other: Word | int) -> Word:
        return self._op("ori", other)

    def __xor__(self, other: Word | int) -> Word:
        return self._op("xori", other)

    def __lshift__(self, other: Word | int) -> Word:
        return self._op("shli", other)

    def __rshift__(self, other: Word | int) -> Word:
        return self._op("shrsi", other)

    def logical_shift(self, other: Word | int) -> Word:
        """Shift right, with zeros coming in."""
        return self._op("shrui", other)

    def divided_by(self, other: int) -> Word:
        """Return the quotient of unsigned numbers."""
        return self._op("divui", other)

    def is_(self, direction: str, other: Word | int, signed: bool = True) -> Flag:
        """Compare: eq ne lt le gt ge."""
        predicates = SIGNED if signed else UNSIGNED
        return Flag(self.f, self.f.c.compare(predicates[direction], self.value, self.f.word(other).value))


class Real:
    """A number of the dtype of its `Reals`. `==` is not overloaded; compare with `is_` and its shorthands."""

    __slots__ = ("f", "value")

    def __init__(self, f: Reals, value: ir.Value) -> None:
        self.f, self.value = f, value

    def _op(self, name: str, *others: Real | float) -> Real:
        operands = [self.value, *(self.f.real(x).value for x in others)]
        return Real(self.f, self.f.c.value(name, operands, self.value.type))

    def __add__(self, other: Real | float) -> Real:
        return self._op("arith.addf", other)

    def __sub__(self, other: Real | float) -> Real:
        return self._op("arith.subf", other)

    def __rsub__(self, other: float) -> Real:
        return self.f.real(other) - self

    def __mul__(self, other: Real | float) -> Real:
        return self._op("arith.mulf", other)

    def __truediv__(self, other: Real | float) -> Real:
        return self._op("arith.divf", other)

    def __rtruediv__(self, other: float) -> Real:
        return self.f.real(other) / self

    def __neg__(self) -> Real:
        return self._op("arith.negf")

    def __abs__(self) -> Real:
        return self._op("math.absf")

    __radd__, __rmul__ = __add__, __mul__

    def sqrt(self) -> Real:
        """Return the square root, which hardware has."""
        return self._op("math.sqrt")

    def floor(self) -> Real:
        """Return the largest integer not above."""
        return self._op("math.floor")

    def is_(self, direction: str, other: Real | float) -> Flag:
        """Compare: eq ne lt le gt ge. Only `ne` holds for NaN."""
        c = self.f.c
        predicate = ir.IntegerAttr.get(c.i64, _FLOAT_PREDICATES[direction])
        return Flag(self.f, c.value("arith.cmpf", [self.value, self.f.real(other).value], c.i1, predicate=predicate))

    def __lt__(self, other: Real | float) -> Flag:
        return self.is_("lt", other)

    def __le__(self, other: Real | float) -> Flag:
        return self.is_("le", other)

    def __gt__(self, other: Real | float) -> Flag:
        return self.is_("gt", other)

    def __ge__(self, other: Real | float) -> Flag:
        return self.is_("ge", other)

    def is_nan(self) -> Flag:
        """Say whether this is not a number."""
        return self.is_("ne", self)


class Reals:
    """The arithmetic of one float dtype, f32 or f64, in the code that a context emits."""

    def __init__(self, c: Context, dtype: np.dtype) -> None:
        self.c, self.dtype, self.type = c, dtype, element_type(dtype)
        self.format = FORMATS[dtype]
        self.is_double = dtype == F64
        self.i32 = ir.IntegerType.get_signless(32)
        self.keeps_subnormals = c.target_kind != "cpu"
        self._in_words = self.is_double and c.target_kind == "vulkan"

    def is_usable(self, x: Real) -> Flag:
        """Say whether a number that is not negative is finite and not zero, nor taken as zero."""
        smallest = float(np.finfo(self.dtype).tiny)
        return (x < np.inf) & ((x > 0.0) if self.keeps_subnormals else (x >= smallest))

    # ---- constants and conversions ---------------------------------------------------------------

    def real(self, x: Real | float) -> Real:
        """Return a number of this dtype."""
        return x if isinstance(x, Real) else Real(self, self.c.constant(x, self.type))

    def word(self, x: Word | int) -> Word:
        """Return a word; a number may be given signed or unsigned."""
        if isinstance(x, Word):
            return x
        return Word(self, self.c.constant(x - (1 << 32) if x >= 1 << 31 else x, self.i32))

    def to_word(self, x: Real) -> Word:
        """Convert a whole number below 2^31."""
        return Word(self, self.c.value("arith.fptosi", [x.value], self.i32))

    def from_word(self, x: Word) -> Real:
        """Convert a signed word; f32 rounds."""
        return Real(self, self.c.value("arith.sitofp", [x.value], self.type))

    def nearest(self, x: Real) -> Real:
        """Return the nearest integer, or one of the two; IREE expands `math.roundeven` to 25 instructions."""
        return (x + 0.5).floor()

    # ---- bits ------------------------------------------------------------------------------------

    def words(self, x: Real) -> tuple[Word, Word]:
        """Return the low and the high word of a number; of an f32 both are its bits."""
        c = self.c
        if not self.is_double:
            bits = Word(self, c.value("arith.bitcast", [x.value], self.i32))
            return bits, bits
        if self._in_words:
            # Two of each, for vectors of one number have no constants in SPIR-V.
            twice = c.value("vector.broadcast", [x.value], ir.VectorType.get([2], self.type))
            parts = c.value("vector.bitcast", [twice], ir.VectorType.get([4], self.i32))
            low, high = (self._extracted(parts, i, self.i32) for i in (0, 1))
            return Word(self, low), Word(self, high)
        bits = c.value("arith.bitcast", [x.value], c.i64)
        upper = c.value("arith.shrui", [bits, c.constant(32, c.i64)], c.i64)
        low, high = (c.value("arith.trunci", [half], self.i32) for half in (bits, upper))
        return Word(self, low), Word(self, high)

    def _extracted(self, vector: ir.Value, place: int, type_: ir.Type) -> ir.Value:
        position = ir.DenseI64ArrayAttr.get([place])
        return self.c.value("vector.extract", [vector], type_, static_position=position)

    def from_words(self, low: Word | int, high: Word | int) -> Real:
        """Return the number of two words; an f32 is that of the high one."""
        c, low, high = self.c, self.word(low), self.word(high)
        if not self.is_double:
            return Real(self, c.value("arith.bitcast", [high.value], self.type))
        if self._in_words:
            parts = c.value("vector.from_elements", [low.value, high.value] * 2, ir.VectorType.get([4], self.i32))
            twice = c.value("vector.bitcast", [parts], ir.VectorType.get([2], self.type))
            return Real(self, self._extracted(twice, 0, self.type))
        wide = [c.value("arith.extui", [half.value], c.i64) for half in (low, high)]
        upper = c.value("arith.shli", [wide[1], c.constant(32, c.i64)], c.i64)
        return Real(self, c.value("arith.bitcast", [c.value("arith.ori", [wide[0], upper], c.i64)], self.type))

    def high(self, x: Real) -> Word:
        """Return the word with sign, exponent and leading fraction bits."""
        return self.words(x)[1]

    def with_high(self, x: Real, high: Word) -> Real:
        """Return a number with another high word."""
        return self.from_words(self.words(x)[0], high)

    def _masked(self, x: Real, mask: int) -> Real:
        c = self.c
        if self._in_words:
            low, high = self.words(x)
            return self.from_words(low & (mask & _LOW_WORD), high)
        integer = c.i64 if self.is_double else self.i32
        bits = c.value("arith.bitcast", [x.value], integer)
        kept = c.value("arith.andi", [bits, c.constant(mask, integer)], integer)
        return Real(self, c.value("arith.bitcast", [kept], self.type))

    def head(self, x: Real) -> Real:
        """Return a number without the low half of its fraction (21 of 53 bits, or 12 of 24): towards zero.

        The product of two heads is exact, and so is that of a head with what another head leaves.
        """
        return self._masked(x, -1 << 32 if self.is_double else _HEAD_OF_F32)

    def settled(self, x: Real) -> Real:
        """Return a sum as a number that no compiler takes apart; it may be one unit less."""
        return self._masked(x, -2) if self.c.target_kind == "vulkan" else x

    def hidden(self, x: Real | float, beside: Real) -> Real:
        """Return a number as one that drivers do not know to be a constant; `beside` is any that is none."""
        x = self.real(x)
        number = self.c.number(x.value)
        if self.c.target_kind != "vulkan" or number is None:
            return x
        bits = np.array(number, self.dtype).view(np.uint64 if self.is_double else np.uint32).item()
        unknown = self.high(beside)
        nothing = (unknown * unknown) & 2  # a square is 0 or 1 modulo 4
        return self.from_words(bits & _LOW_WORD, nothing | (bits >> 32 if self.is_double else bits))

    def is_negative(self, x: Real) -> Flag:
        """Say whether the sign bit is set, as that of -0 is."""
        return self.high(x).is_("lt", 0)

    def signed(self, size: Real, like: Real) -> Real:
        """Return `size`, which is not negative, with the sign of another number."""
        return self.is_negative(like).choose(-size, size)

    def power_of_two(self, k: Word) -> Real:
        """Return 2^k for k in the range of normal numbers."""
        return self.from_words(0, (k + self.format.bias) << self.format.high_fraction)

    def scaled(self, x: Real, k: Word) -> Real:
        """Return x 2^k, in two steps, for 2^k may be out of range where the result is not."""
        half = k >> 1
        return x * self.power_of_two(half) * self.power_of_two(k - half)

    # ---- formulas --------------------------------------------------------------------------------

    def polynomial(self, x: Real, coefficients: Sequence[float]) -> Real:
        """Evaluate c0 + c1 x + c2 x^2 + ..., from the innermost product outwards."""
        *rest, last = coefficients
        total = self.real(last)
        for coefficient in reversed(rest):
            total = total * x + coefficient
        return total

    def within(self, x: Real, low: float, high: float) -> Real:
        """Return a number moved between two others; NaN becomes the higher one."""
        x = (x < high).choose(x, high)
        return (x > low).choose(x, low)
