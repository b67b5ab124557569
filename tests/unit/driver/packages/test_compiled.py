"""Compiled modules beside a job: which platform can load them."""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from driver.cloud.stack import Stack
from driver.packages.compiled import ELF_HEAD, fits, is_compiled
from driver.packages.of_job import check_compiled
from mapreduce.code import JobSource, Modules
from mapreduce.errors import JobLoadError
from tests.unit.driver.samples import STACK_VALUES

X86, ARM = (b"\x7fELF\x02\x01" + bytes(12) + number.to_bytes(2, "little") for number in (62, 183))
MAC = b"\xcf\xfa\xed\xfe" + bytes(16)


@pytest.mark.parametrize(
    ("name", "head", "platform", "expected"),
    [
        ("a.cpython-311-x86_64-linux-gnu.so", X86, "cp311-linux-x86_64", True),
        ("a.abi3.so", X86, "cp311-linux-x86_64", True),
        ("a.so", ARM, "cp311-linux-arm64", True),
        ("a.cpython-313-x86_64-linux-gnu.so", X86, "cp311-linux-x86_64", False),
        ("a.so", X86, "cp311-linux-arm64", False),
        ("a.cpython-311-darwin.so", MAC, "cp311-linux-arm64", False),
        ("a.so", ARM[:10], "cp311-linux-arm64", False),
        ("a.pyd", b"MZ", "cp311-linux-x86_64", False),
    ],
)
def test_a_compiled_module_fits_its_python_and_processor(
    name: str, head: bytes, platform: str, expected: bool
) -> None:
    """The tag in the name says the Python, the head the system and the processor."""
    assert is_compiled(name)
    assert expected == fits(name, head, platform)


@pytest.mark.skipif(sys.platform != "linux", reason="cannot be run on this machine: needs Linux")
def test_an_own_extension_module_fits(tmp_path: Path) -> None:
    """A module that this interpreter loads has a head that is understood."""
    import _ctypes

    file = Path(_ctypes.__file__)
    machine = "x86_64" if "x86_64" in EXTENSION_SUFFIXES[0] else "arm64"
    with file.open("rb") as stream:
        head = stream.read(ELF_HEAD)
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    assert fits(file.name, head, f"{python}-linux-{machine}")


def test_a_slow_twin_never_takes_its_place(tmp_path: Path) -> None:
    """For AWS a compiled module of another platform is refused, though a source is beside it."""
    for name, content in (("mine.py", b""), ("fast.py", b""), ("fast.cpython-311-darwin.so", MAC)):
        (tmp_path / name).write_bytes(content)
    files = {name: tmp_path / name for name in ("mine.py", "fast.py", "fast.cpython-311-darwin.so")}
    stack = Stack.model_validate(STACK_VALUES)
    with pytest.raises(JobLoadError, match=r"fast\.cpython-311-darwin\.so beside the job"):
        check_compiled(JobSource(tmp_path, "mine", "Mine"), Modules(files), stack)
    del files["fast.cpython-311-darwin.so"]
    check_compiled(JobSource(tmp_path, "mine", "Mine"), Modules(files), stack)
