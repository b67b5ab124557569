"""Whether a compiled module can be loaded on a platform, by its name and the head of its file."""

from __future__ import annotations

import re

ELF_HEAD = 20
_COMPILED = (".so", ".pyd", ".dylib", ".dll")
_ELF = b"\x7fELF\x02\x01"
"""A file of 64 bits, little-endian."""
_MACHINES = {62: "x86_64", 183: "arm64"}
_TAG = re.compile(r"\.cpython-(\d+)[^.]*\.so$")


def is_compiled(name: str) -> bool:
    """Return whether a file is a compiled module or library."""
    return name.endswith(_COMPILED)


def fits(name: str, head: bytes, platform: str) -> bool:
    """Return whether a compiled module can be loaded.

    Args:
        name: the file's name, whose tag says the Python.
        head: its first `ELF_HEAD` bytes.
        platform: the platform's name, such as `cp311-linux-arm64`.
    """
    python, system, machine = platform.split("-")
    if system != "linux" or not head.startswith(_ELF) or len(head) < ELF_HEAD:
        return False
    tag = _TAG.search(name)
    if tag is not None and f"cp{tag[1]}" != python:
        return False
    return _MACHINES.get(int.from_bytes(head[18:20], "little")) == machine
