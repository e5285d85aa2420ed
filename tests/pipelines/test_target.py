"""Target names, and the tables that depend on targets."""

from __future__ import annotations

import pytest

from difc.errors import TargetError
from difc.pipelines.target import TARGETS, Target, host_processor


@pytest.mark.parametrize(
    ("text", "name", "flag"),
    [
        ("cpu", "cpu", "--iree-llvmcpu-target-cpu=host"),
        (" CPU ", "cpu", "--iree-llvmcpu-target-cpu=host"),
        ("cpu-generic", "cpu-generic", "--iree-llvmcpu-target-cpu=generic"),
        ("vulkan", "vulkan", "--iree-vulkan-target=vp_android_baseline_2022"),
        ("vulkan:rdna3", "vulkan:rdna3", "--iree-vulkan-target=rdna3"),
        ("cuda", "cuda:sm_80", "--iree-cuda-target=sm_80"),
        ("cuda:sm_75", "cuda:sm_75", "--iree-cuda-target=sm_75"),
        ("cuda:sm_90", "cuda:sm_89", "--iree-cuda-target=sm_89"),
        ("cuda:sm_90a", "cuda:sm_89", "--iree-cuda-target=sm_89"),
    ],
)
def test_names(text: str, name: str, flag: str) -> None:
    target = Target.parse(text)
    assert target.name == name
    assert flag in target.flags()
    assert Target.parse(name).options == target.options


def test_newer_gpus_get_a_note() -> None:
    assert "sm_90" in Target.parse("cuda:sm_90").note
    assert not Target.parse("cuda:sm_89").note


@pytest.mark.parametrize(
    ("text", "close"),
    [
        ("vulcan", "vulkan"),
        ("cpu_generic", "cpu-generic"),
        ("cuda:sm80", "cuda:sm_80"),
        ("cuda:sm_85", "cuda:sm_8"),
        ("vulkan:rdna9", "vulkan:rdna"),
        ("cpu:avx512", None),
        ("", None),
    ],
)
def test_an_unknown_name_lists_the_known_ones(text: str, close: str | None) -> None:
    with pytest.raises(TargetError, match="unknown target") as caught:
        Target.parse(text)
    assert all(family in str(caught.value) for family in TARGETS)
    if close:
        assert f"did you mean '{close}" in str(caught.value)


@pytest.mark.parametrize("text", ["gpu", "ROCm", "nvidia"])
def test_a_word_for_gpus_names_their_targets(text: str) -> None:
    with pytest.raises(TargetError, match=r"known: cpu, .*\nRemedy: use vulkan for a GPU of any kind, or cuda for one"):
        Target.parse(text)


def test_what_is_no_name_of_a_target() -> None:
    with pytest.raises(TargetError, match=r"^3 is no target\nRemedy: name one of cpu, cpu-generic"):
        Target.parse(3)  # type: ignore[arg-type]


def test_flags() -> None:
    target = Target.parse("cpu")
    assert "--iree-input-demote-f64-to-f32=false" in target.flags()
    assert "--iree-opt-level=O1" in target.flags(1)
    assert "--iree-llvmcpu-stack-allocation-limit=65536" in target.flags()
    with pytest.raises(TargetError, match="no optimization level 4\nRemedy: use 0, 1, 2 or 3"):
        target.flags(4)


def test_drivers() -> None:
    assert Target.parse("cpu").drivers == ("local-sync", "local-task")
    assert Target.parse("vulkan").drivers == ("vulkan",)
    assert Target.parse("cuda").drivers == ("cuda",)


def test_only_code_for_this_processor_depends_on_it() -> None:
    assert host_processor() in Target.parse("cpu").fingerprint() != ""
    assert not Target.parse("cpu-generic").fingerprint()
