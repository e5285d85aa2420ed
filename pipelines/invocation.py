"""One run of IREE's compiler inside this process: phases, passes, the module between them, and what it had to say.

This is the only file of difc that touches `iree.compiler`. It knows nothing of targets or of difc's errors: a step that
fails raises `StageFailure` with IREE's diagnostics, for `diagnostics.py` to explain. Invariant: nothing reaches the
user's terminal. IREE's linker writes to the process's standard error, so that is diverted during a run; hence one run
at a time in a process.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

__all__ = ["MODULE_NAME", "Diagnostic", "Invocation", "StageFailure", "is_forked", "quiet"]

MODULE_NAME = "<module>"
"""The file name in locations that point into the module's own text."""

#: These generate the code of the kernels on their way.
_LAST_PHASES = ("executable-configurations", "executable-targets", "vm", "end")
_PLACE = re.compile(r'"([^"]+)":(\d+):(\d+)')
_ONE_AT_A_TIME = threading.RLock()


@dataclass(frozen=True)
class Diagnostic:
    """One message of IREE; `severity` is `note`, `warning`, `error` or `remark`."""

    severity: str
    message: str


@dataclass
class StageFailure(Exception):
    """A step of the compiler failed.

    Attributes:
      stage: the step.
      diagnostics: what IREE reported, in order.
      log: what was written to standard error meanwhile (the linker's messages), filled in by `quiet`.
    """

    stage: str
    diagnostics: list[Diagnostic]
    log: str = field(default="")

    def __str__(self) -> str:
        return f"{self.stage}: " + "; ".join(found.message for found in self.diagnostics)


@contextlib.contextmanager
def quiet(enabled: bool = True) -> Iterator[None]:
    """Divert standard error while IREE runs; a `StageFailure` takes it along, and nothing is lost otherwise."""
    with _ONE_AT_A_TIME:
        if not enabled:
            yield
            return
        _flush()
        try:
            terminal = os.dup(2)
        except OSError:  # a process without standard error has nothing to protect
            yield
            return
        with tempfile.TemporaryFile() as log:
            os.dup2(log.fileno(), 2)
            try:
                yield
            except StageFailure as failure:
                failure.log = _text_of(log)
                raise
            except BaseException:
                _write_all(terminal, _text_of(log))
                raise
            else:
                _write_all(terminal, _text_of(log))  # other threads' words, and IREE's warnings
            finally:
                _flush()
                os.dup2(terminal, 2)
                os.close(terminal)


class Invocation:
    """A module on its way through IREE, as a context manager.

    Args:
      text: the module.
      flags: those of the session.
      verify_each: whether IREE verifies the module after each of its passes, or we do after each phase.

    >>> with Invocation("func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> { return %x : tensor<2xf32> }",
    ...                 ["--iree-hal-target-backends=llvm-cpu"]) as run:
    ...     run.to_phase("flow")
    ...     run.to_bytecode(after="flow")[:4] != b""
    True
    """

    def __init__(self, text: str, flags: Sequence[str], verify_each: bool = True) -> None:
        self._api, self._verify_each = _library(), verify_each
        self._diagnostics: list[Diagnostic] = []
        self._callback = self._api.diagnostic_callback(self._receive)  # as long-lived as the invocation
        self._session: Any = self._api.module.Session()
        self._session.set_flags(*flags)
        self.context: Any = self._session.context
        self.module: Any = self._parse(text)
        self._run: Any = self._begin()
        self._run.import_module(self.module)

    def __enter__(self) -> Invocation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # IREE borrows the module and the callback, so it goes first.
        self._run.close()
        self._run = self.module = None
        self._session.close()
        self._session = None
        self._free_context()

    def to_phase(self, phase: str, after: str = "start") -> None:
        """Run the phases of IREE's pipeline after `after`, up to and including `phase`."""
        set_from, set_to = (
            self._api.dylib.ireeCompilerInvocationSetCompileFromPhase,
            self._api.dylib.ireeCompilerInvocationSetCompileToPhase,
        )
        set_from(self._run._inv_p, after.encode())
        set_to(self._run._inv_p, phase.encode())
        stage = "code generation" if phase in _LAST_PHASES else phase
        if not self._run.execute():
            raise StageFailure(stage, self._diagnostics)
        self._verify(stage)

    def passes(self, stage: str, pipeline: str) -> None:
        """Run a textual pass pipeline on the module."""
        if not self._run.execute_text_pass_pipeline(pipeline):
            raise StageFailure(stage, self._diagnostics)
        self._verify(stage)

    def to_bytecode(self, after: str = "start") -> bytes:
        """Run the phases after `after` and return the bytes of the artifact."""
        self.to_phase("end", after)
        output = self._api.module.Output.open_membuffer()
        try:
            self._run.output_vm_bytecode(output)
            return bytes(output.map_memory())
        finally:
            output.close()

    def _verify(self, stage: str) -> None:
        if self._verify_each:
            return
        from iree.compiler import ir

        try:
            self.module.operation.verify()
        except ir.MLIRError as error:
            found = [Diagnostic("error", _placed(each)) for each in error.error_diagnostics]
            raise StageFailure(stage, [*self._diagnostics, *found]) from None

    def _parse(self, text: str) -> Any:
        run = self._begin()
        source = self._api.module.Source.wrap_buffer(self._session, text.encode() + b"\0", buffer_name=MODULE_NAME)
        try:
            if not run.parse_source(source):
                raise StageFailure("parse", self._diagnostics)
            return run.export_module()
        finally:
            run.close()

    def _begin(self) -> Any:
        run = self._session.invocation()
        self._api.dylib.ireeCompilerInvocationEnableCallbackDiagnostics(run._inv_p, 0, self._callback, None)
        self._api.dylib.ireeCompilerInvocationSetVerifyIR(run._inv_p, self._verify_each)
        return run

    def _free_context(self) -> None:
        """Free all types, constants and attributes of the run, 3 MB or more: IREE's binding (3.13) keeps them for ever.

        They stay where something of the module is still in use, as by the traceback of a failure.
        """
        context, self.context, unused = self.context, None, object()
        if sys.getrefcount(context) == sys.getrefcount(unused):  # what belongs to a context counts as a use of it
            address = self._api.capsule_pointer(context._CAPIPtr, self._api.context_capsule)
            self._api.dylib.mlirContextDestroy(_Context(address))

    def _receive(self, severity: int, message: int, size: int, _user_data: int) -> None:
        names = {0: "note", 1: "warning", 2: "error", 3: "remark"}
        text = ctypes.string_at(message, size).decode(errors="replace")
        self._diagnostics.append(Diagnostic(names.get(severity, "error"), text))


class _Context(ctypes.Structure):
    """`MlirContext` of MLIR's C API."""

    _fields_ = (("address", ctypes.c_void_p),)


@dataclass(frozen=True)
class _Library:
    """IREE's compiler, loaded.

    Attributes:
      module: its Python module.
      dylib: its C functions.
      diagnostic_callback: the type of a function that receives diagnostics.
      capsule_pointer, context_capsule: what reads a capsule, and the name of those of contexts.
      process: the number of the process that loaded it.
    """

    module: Any
    dylib: Any
    diagnostic_callback: Any
    capsule_pointer: Any
    context_capsule: bytes
    process: int


@functools.cache
def _library() -> _Library:
    from iree.compiler import api
    from iree.compiler.api import ctypes_dl

    dylib = ctypes_dl._dylib
    callback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    # Functions of the C API that IREE's Python binding does not declare.
    for name, arguments in {
        "ireeCompilerInvocationEnableCallbackDiagnostics": [ctypes.c_void_p, ctypes.c_int, callback, ctypes.c_void_p],
        "ireeCompilerInvocationSetCompileFromPhase": [ctypes.c_void_p, ctypes.c_char_p],
        "ireeCompilerInvocationSetCompileToPhase": [ctypes.c_void_p, ctypes.c_char_p],
        "ireeCompilerInvocationSetVerifyIR": [ctypes.c_void_p, ctypes.c_bool],
        "mlirContextDestroy": [_Context],
    }.items():
        function = getattr(dylib, name)
        function.restype, function.argtypes = None, arguments
    pointer, name = ctypes_dl.PyCapsule_GetPointer, ctypes_dl.MLIR_PYTHON_CAPSULE_CONTEXT
    return _Library(api, dylib, callback, pointer, name, os.getpid())


def is_forked() -> bool:
    """Whether this process was forked after IREE's compiler was loaded: its threads are gone, and it would hang."""
    return _library().process != os.getpid()


def _placed(diagnostic: Any) -> str:
    """Return a message of MLIR's verifier as IREE writes one: the place first."""
    place = _PLACE.search(str(diagnostic.location))
    return f"{':'.join(place.groups())}: {diagnostic.message}" if place else str(diagnostic.message)


def _flush() -> None:
    if sys.stderr is not None:  # as under pythonw
        sys.stderr.flush()


def _text_of(log: Any) -> str:
    _flush()
    log.seek(0)
    return str(log.read().decode(errors="replace"))


def _write_all(descriptor: int, text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(descriptor, data) :]
