"""Python expressions in kernels that are text become the arithmetic that they say."""

from __future__ import annotations

import pytest

from difc.dialects import context
from difc.dialects.mlir import ir, passmanager
from difc.pipelines.lowering.kernel_arithmetic import let


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a + b * c - 3", 5 + 7 * 11 - 3),
        ("a * 100 // b % c", 500 // 7 % 11),
        ("ceil(a * 3, b)", 3),
        ("min(a, b) + max(b - c, 0)", 5),
        ("(22 >> a - 3) & 3", 1),
        ("a if b < c and a != c and 1 <= a else 0", 5),
        ("c", 11),
    ],
)
def test_let_is_arithmetic_of_indices(expression: str, value: int) -> None:
    lines = let(f"x = {expression}")
    numbers = "\n".join(f"%int{n} = arith.constant {n} : index" for n in range(101) if f"%int{n}" in lines)
    text = f"""
      func.func @f() -> index {{
        %a = arith.constant 5 : index
        %b = arith.constant 7 : index
        %c = arith.constant 11 : index
        {numbers}
        {lines}
        return %x : index
      }}"""

    with context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        passmanager.PassManager.parse("builtin.module(func.func(canonicalize,sccp,canonicalize))").run(module.operation)
        assert f"arith.constant {value} : index" in str(module)


def test_let_refuses_what_is_no_arithmetic() -> None:
    with pytest.raises(ValueError, match=r"no expression of a kernel: a\[0\]"):
        let("x = a[0]")
