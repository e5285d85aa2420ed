"""From traced functions to a runnable module: the stages, in order, and what each one gives.

`Program` holds functions traced into one module with their signatures; `stage("dif" | "ad" | "linalg")` is its IR after
a stage, and `compile_program` takes it through IREE. The only file that joins AD, lowering, compilation and the
runtime.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from optree import PyTreeSpec

from difc import config
from difc.ad_pass.functions import Derivatives, expand_requests
from difc.dialects import Aval, aval_of, context, copy_function, copy_module, functions_of, marked, text_of, verify
from difc.dialects.mlir import func, ir
from difc.dims import Dim
from difc.errors import DifcError, InputError
from difc.functions import Traced, applied, call_name, trace_function
from difc.numpy import families  # noqa: F401  (now, so that the first trace need not)
from difc.pipelines import cache
from difc.pipelines.compile import compile_module
from difc.pipelines.estimate import estimate_driver
from difc.pipelines.lower import lower
from difc.pipelines.simplify import simplify
from difc.pipelines.target import PLAIN_LOOPS, Target
from difc.pipelines.versions import installed_versions, source_digest
from difc.pytree import flatten, flatten_with_names, unflatten
from difc.runtime import ArraySpec, Module, Signature
from difc.runtime.archive import write
from difc.runtime.module import load_traced
from difc.runtime.processor import this_processor
from difc.runtime.tree import tree_structure
from difc.source import shortened
from difc.spec import as_spec, named_aval

__all__ = ["STAGES", "CompiledModule", "Program", "argument_names", "compile_program", "split_program", "trace_entry"]

STAGES = ("dif", "ad", "linalg")
_DUMPED = ("dif", "expand-ad", "ad", "linalg")


def _empty_module() -> ir.Module:
    with context():
        return ir.Module.create(loc=ir.Location.unknown())


@dataclass(repr=False)
class Program:
    """Functions traced into one module, with the signature of each entry.

    Attributes:
      module: IR of the first stage, as traced.
      entries: names of the entries that are going to be traced.
      signatures: entry name -> signature; its `meta` is completed by the compiler.

    Example: `difc.trace(np.sin, difc.f32["n"]).ir("linalg")`
    """

    module: ir.Module = field(default_factory=_empty_module)
    entries: tuple[str, ...] = ()
    signatures: dict[str, Signature] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<difc.Program of {', '.join(self.signatures)}; its text is in .ir(stage)>"

    def __reduce__(self) -> tuple[Any, ...]:
        with context():
            text = self.module.operation.get_asm(enable_debug_info=True)
        return _from_text, (text, self.entries, self.signatures)

    @cached_property
    def expanded(self) -> ir.Module:
        """The module after AD and simplification: no requests, no calls, primal and derivative code together."""
        with context(), ir.Location.unknown():
            _checked(self.module, "dif")
            return _checked(simplify(_checked(expand_requests(self.module), "expand-ad")), "ad")

    def lowered(
        self, target: Target, reflection: Mapping[str, Mapping[str, str]] | None = None, loop_kernels: bool = True
    ) -> ir.Module:
        """Return the module in upstream dialects, for a target; with or without loops in kernels."""
        with context(), ir.Location.unknown():
            lowered = lower(
                self.expanded,
                target_kind=target.kind,
                vectors=target.vectors,
                reflection=reflection,
                loop_kernels=loop_kernels,
            )
            return _checked(lowered, "linalg")

    def ir(self, stage: str = "dif", target: str = "cpu") -> str:
        """Return the IR after a stage: "dif" as traced, "ad" after differentiation, "linalg" as handed to IREE.

        Raises:
          InputError: for another stage.
        """
        if stage not in STAGES:
            raise InputError(f"there is no stage {stage!r}", remedy=f"use one of {', '.join(STAGES)}")
        with context():
            if stage == "linalg":
                return str(self.lowered(Target.parse(target)))
            return str(self.module if stage == "dif" else self.expanded)


def _from_text(text: str, entries: tuple[str, ...], signatures: dict[str, Signature]) -> Program:
    with context():
        return Program(ir.Module.parse(text), entries, signatures)


def _checked(module: ir.Module, stage: str) -> ir.Module:
    if config.get("verify"):
        verify(module)
    _dump(module, stage)
    return module


def _dump(module: ir.Module, stage: str) -> None:
    """Write the IR of a stage where the `dump` setting asks for it, numbered in order."""
    wanted = config.get("dump").split(",") if config.get("dump") else []
    unknown = [name for name in wanted if name not in ("all", *_DUMPED)]
    if unknown:
        raise InputError(
            f"the setting `dump` (DIFC_DUMP) has no stage {unknown[0]!r}", remedy=f"use all, or {', '.join(_DUMPED)}"
        )
    if "all" in wanted or stage in wanted:
        folder: Path = config.get("dump_to")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            count = len(list(folder.glob("[0-9]*.mlir")))
            (folder / f"{count:03d}-{stage}.mlir").write_text(module.operation.get_asm(enable_debug_info=True))
        except OSError as error:
            raise InputError(
                f"the IR cannot be written to `{folder}`: {error.strerror}",
                remedy="set `dump_to` (DIFC_DUMP_TO) to a folder that can be written",
            ) from error


def trace_entry(
    program: Program,
    fun: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    name: str | None = None,
    weak: Callable[[Any], bool] = lambda spec: False,
    names: Sequence[str] | None = None,
    what: str = "trace",
) -> Traced:
    """Trace a function into a program as an entry.

    Args:
      args, kwargs: pytrees of specs or arrays, in the place of the arguments.
      weak: which specs stand for Python numbers.
      names: what messages call the leaves of the arguments (default: as `argument_names` says).
      what: which function of difc was called.
    """
    leaves, in_tree = flatten((tuple(args), dict(kwargs)))
    names = argument_names(fun, args, kwargs) if names is None else names
    specs = [as_spec(leaf, name) for leaf, name in zip(leaves, names, strict=True)]
    flags = [weak(leaf) for leaf in leaves]

    def rebuild(leaves: list[Any]) -> Any:
        positional, keywords = unflatten(in_tree, leaves)
        return applied(what, fun, positional, keywords, "give specs for")

    entry = name or call_name(fun)
    entries = {entry, *program.entries}
    rebuild.__wrapped__ = inspect.unwrap(fun)  # type: ignore[attr-defined]
    traced = trace_function(program.module, rebuild, [named_aval(s) for s in specs], flags, entry, entries=entries)
    outputs = [_output_spec(a, n) for a, n in zip(traced.out_avals, _result_names(traced.out_tree), strict=True)]
    meta: dict[str, Any] = {"arg_names": _parameter_names(fun, len(args)), "doc": inspect.getdoc(fun) or ""}
    program.signatures[traced.name] = Signature(
        traced.name, tuple(specs), tuple(outputs), in_tree, traced.out_tree, meta
    )
    return traced


def argument_names(fun: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[str]:
    """Return a name for each leaf of the arguments of a call, such as `params['w1']`, in the order of the leaves."""
    roots = [*zip(_parameter_names(fun, len(args)), args, strict=True), *sorted(kwargs.items())]
    return [name for root, tree in roots for name in flatten_with_names(tree, root)[0]]


def _parameter_names(fun: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = [
            p.name
            for p in inspect.signature(fun).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):  # builtins without a signature
        parameters = []
    return (parameters + [f"arg{i}" for i in range(len(parameters), count)])[:count]


def _result_names(tree: PyTreeSpec) -> list[str]:
    return flatten_with_names(unflatten(tree, range(tree.num_leaves)), "result")[0]


def _output_spec(aval: Aval, name: str) -> ArraySpec:
    return ArraySpec(tuple(str(d) if isinstance(d, Dim) else d for d in aval.shape), aval.dtype, name)


def split_program(program: Program, name: str, count: int) -> tuple[Program, str, str, list[bool]]:
    """Return a program with the two halves of the derivative of an entry: forward with residuals, and backward.

    Args:
      name: an entry whose arguments are all differentiated in.
      count: how many of its results get a cotangent.

    Returns:
      The program, the names of the entry `f_fwd` (primals -> results, residuals) and of `f_bwd` (residuals,
      cotangents of the used results -> cotangents), and which of the results are used.
    """
    with context(), ir.Location.unknown():
        derivatives = Derivatives(copy_module(program.module))
        signature = program.signatures[name]
        forward = derivatives.linearize(name, [True] * len(signature.inputs))
        used = [nz and i < count for i, nz in enumerate(forward.out_mask)]
        bwd = derivatives.transpose(forward.lin, marked(used, forward.out_mask))
        split = Program()
        functions = functions_of(derivatives.module)
        for symbol in (forward.fwd, bwd):
            made = copy_function(functions[symbol], symbol, functions[symbol].entry_block, split.module)
            del made.attributes["sym_visibility"]
            split.signatures[symbol] = _flat_signature(made, symbol)
        return split, forward.fwd, bwd, used


def _flat_signature(function: func.FuncOp, name: str) -> Signature:
    """Return a signature of numbered arrays, for functions that only difc calls."""

    def specs(types: Any, what: str) -> tuple[ArraySpec, ...]:
        return tuple(ArraySpec(aval_of(t).shape, aval_of(t).dtype, f"{what}{i}") for i, t in enumerate(types))

    inputs, outputs = specs(function.type.inputs, "arg"), specs(function.type.results, "result")
    in_tree, out_tree = tree_structure(((0,) * len(inputs), {})), tree_structure((0,) * len(outputs))
    return Signature(name, inputs, outputs, in_tree, out_tree, {})


class CompiledModule:
    """A compiled program: its entries are callable, and it can be saved as an artifact.

    Example:
      >>> module = difc.compile(f, difc.f32[3])  # doctest: +SKIP
      >>> module(np.ones(3, np.float32)); module.save("f.vmfb"); print(module.ir("ad"))  # doctest: +SKIP
    """

    def __init__(self, program: Program, target: Target, vmfb: bytes) -> None:
        self._program, self._target, self.vmfb = program, target, vmfb

    def __reduce__(self) -> tuple[Any, ...]:
        return CompiledModule, (self._program, self._target, self.vmfb)

    @cached_property
    def _module(self) -> Module:
        return load_traced(self.vmfb, self._program.signatures)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._module(*args, **kwargs)
        except DifcError as error:
            raise shortened(error)  # noqa: B904 - it is the same error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return getattr(self._module, name)
        except DifcError as error:
            raise shortened(error)  # noqa: B904 - it is the same error

    def __repr__(self) -> str:
        entries = ", ".join(self._program.signatures)
        return f"<difc.CompiledModule of {entries} for {self._target.name}, {len(self.vmfb)} bytes>"

    def save(self, path: str | Path) -> None:
        """Write the artifact: a plain IREE module, which `difc.load` and `iree-run-module` read."""
        write(path, self.vmfb)  # its device need not be here

    def ir(self, stage: str = "dif") -> str:
        """Return the IR after a stage: "dif", "ad" or "linalg"."""
        return self._program.ir(stage, self._target.name)


def compile_program(program: Program, target: str | Target, opt_level: int = 3) -> CompiledModule:
    """Compile a program for a target; equal programs come from the disk cache, unless their stages are to be dumped.

    Raises:
      TargetError, UnsupportedError, CompileError: as the stages say.
      InputError: if they cannot be dumped.
    """
    chosen = target if isinstance(target, Target) else Target.parse(target)
    if config.get("dump"):
        return CompiledModule(program, chosen, _compile(program, chosen, opt_level))
    with context(), ir.Location.unknown():
        text = text_of(program.module)
        signatures = [s.to_json() for s in program.signatures.values()]
        vmfb = cache.load_or_compile(
            [
                text,
                *signatures,
                chosen.name,
                *chosen.flags(opt_level),
                chosen.fingerprint(),
                *installed_versions(["iree-base-compiler", "difc"]),
                source_digest(),
            ],
            lambda: _compile(program, chosen, opt_level),
        )
    return CompiledModule(program, chosen, vmfb)


def _compile(program: Program, target: Target, opt_level: int) -> bytes:
    driver = estimate_driver(program.expanded) if target.backend == "llvm-cpu" else target.drivers[0]
    reflection = {}
    on_processor = target.backend == "llvm-cpu"
    processor = {"processor": this_processor(generic=target.family == "cpu-generic")} if on_processor else {}
    for name, signature in program.signatures.items():
        meta = {
            **signature.meta, **processor, "target": target.name, "driver": driver, "difc": version("difc"),
            "iree": version("iree-base-compiler"), "opt_level": opt_level,
        }  # fmt: skip
        reflection[name] = {"difc.signature": replace(signature, meta=meta).to_json()}

    def lowered(*, loop_kernels: bool = True) -> str:
        module = program.lowered(target, reflection, loop_kernels=loop_kernels)
        return module.operation.get_asm(enable_debug_info=True)

    text = lowered()
    # IREE does not find memory for every loop in a kernel; if that was not the reason, this explains the failure.
    instead = partial(lowered, loop_kernels=False) if PLAIN_LOOPS in text else None
    return compile_module(text, target, opt_level=opt_level, instead=instead)
