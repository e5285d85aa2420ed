"""Arithmetic of indices in kernels that are text (`kernel_text.py`), written as Python expressions."""

from __future__ import annotations

import ast

__all__ = ["let"]

_OPERATIONS = {
    ast.Add: "addi",
    ast.Sub: "subi",
    ast.Mult: "muli",
    ast.FloorDiv: "divui",
    ast.Mod: "remui",
    ast.RShift: "shrui",
    ast.BitAnd: "andi",
}
_COMPARISONS = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "ult", ast.LtE: "ule", ast.Gt: "ugt", ast.GtE: "uge"}
_FUNCTIONS = {"min": "minui", "max": "maxsi", "ceil": "ceildivui"}


def let(*assignments: str) -> str:
    """Return the lines of assignments to names of indices (and of truth values, which comparisons give).

    In Python's syntax: `+ - * // % >> &`, comparisons, `and`, `a if c else b`, `min`, `max`, and `ceil` for a division
    that rounds up. All count as unsigned, but for `max`. Numbers are values that `kernel_text.executable` makes.

    >>> print(let("left = min(k - k0, 64)"))
    %left_0 = arith.subi %k, %k0 : index
    %left = arith.minui %left_0, %int64 : index

    Raises:
      ValueError: for any other expression.
    """
    lines: list[str] = []
    for assignment in assignments:
        name, expression = assignment.split(" = ", 1)
        tree = ast.parse(expression, mode="eval").body
        if isinstance(tree, ast.Name | ast.Constant):  # a second name for a value, which costs nothing
            tree = ast.BinOp(tree, ast.Add(), ast.Constant(0))
        _Assignment(name, lines).append(f"%{name}", tree)
    return "\n".join(lines)


class _Assignment:
    """The lines of one assignment: values between are named after the one that they are for, and numbered."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self._name, self._lines, self._count = name, lines, 0

    def append(self, name: str, tree: ast.expr) -> None:
        """Append the lines of an expression, as a value of a name."""
        match tree:
            case ast.BinOp(x, op, y) if type(op) in _OPERATIONS:
                line = f"arith.{_OPERATIONS[type(op)]} {self._value(x)}, {self._value(y)} : index"
            case ast.Compare(x, [op], [y]) if type(op) in _COMPARISONS:
                line = f"arith.cmpi {_COMPARISONS[type(op)]}, {self._value(x)}, {self._value(y)} : index"
            case ast.BoolOp(ast.And(), [x, y]):
                line = f"arith.andi {self._value(x)}, {self._value(y)} : i1"
            case ast.BoolOp(ast.And(), [x, *others]):
                line = f"arith.andi {self._value(x)}, {self._value(ast.BoolOp(ast.And(), others))} : i1"
            case ast.IfExp(c, x, y):
                line = f"arith.select {self._value(c)}, {self._value(x)}, {self._value(y)} : index"
            case ast.Call(ast.Name(function), [x, y]) if function in _FUNCTIONS:
                line = f"arith.{_FUNCTIONS[function]} {self._value(x)}, {self._value(y)} : index"
            case _:
                raise ValueError(f"no expression of a kernel: {ast.unparse(tree)}")
        self._lines.append(f"{name} = {line}")

    def _value(self, tree: ast.expr) -> str:
        match tree:
            case ast.Name(name):
                return f"%{name}"
            case ast.Constant(int(number)):
                return f"%int{number}"
        name = f"%{self._name}_{self._count}"
        self._count += 1
        self.append(name, tree)
        return name
