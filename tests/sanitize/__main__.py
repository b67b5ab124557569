"""Build the extension with gcc's sanitizers, in a separate folder, and run its tests: `python -m
tests.sanitize`.

The first report ends the run. Leaks are not checked, because CPython frees little at its end.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mapreduce.native.build import STRICT, NotBuilt, compile_command, run
from tests.sanitize import VARIABLE

FOLDER = Path("build/sanitized").resolve()
TESTS = (
    "tests/unit/mapreduce/native",
    "tests/unit/mapreduce/test_word_counts.py",
    "tests/unit/mapreduce/formats/test_frames.py",
    "tests/unit/mapreduce/formats/test_json_columns.py",
    "tests/unit/mapreduce/formats/test_json_packed.py",
    "tests/unit/mapreduce/formats/test_separated_columns.py",
    "tests/unit/mapreduce/engine/test_collect.py",
    "tests/unit/mapreduce/engine/test_joined_rows.py",
)
# the last of two -O counts; without frame pointers a report has no stack
OPTIONS = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
    "-g",
    "-O1",
)
_READ_BEYOND = "import ctypes; ctypes.string_at(ctypes.create_string_buffer(64), 4096)"


def main() -> int:
    """Return the exit code of the tests, or 1 if they cannot run."""
    os.environ.setdefault("CC", "gcc")
    try:
        environment = environment_of(library(os.environ["CC"]))
        extension = build()
    except NotBuilt as exc:
        sys.stderr.write(f"the extension cannot be sanitized: {exc}\n")
        return 1
    if not alarms(environment):
        sys.stderr.write(
            "AddressSanitizer does not see a read beyond a buffer, so that nothing is proven here\n"
        )
        return 1
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.sanitize.plugin",
        "-p",
        "no:cacheprovider",
        "-q",
    ]
    # the tests of the usual extension's build do not apply here; the others take longer than
    # the usual limit
    command += [
        "--ignore=tests/unit/mapreduce/native/test_build.py",
        "--timeout=600",
        *TESTS,
        *sys.argv[1:],
    ]
    return subprocess.run(
        command, env=environment | {VARIABLE: str(extension)}, check=False
    ).returncode


def library(compiler: str) -> str:
    """Return the path of AddressSanitizer's library, which must be loaded before Python; raise
    `NotBuilt`.
    """
    asked = [compiler, "-print-file-name=libasan.so"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    except OSError as exc:
        raise NotBuilt(
            f"{compiler} cannot be run: {exc}; install gcc (Debian: apt-get install gcc libc6-dev)"
        ) from exc
    if not Path(said).is_absolute() or not Path(said).exists():
        raise NotBuilt(
            f"{compiler} has no libasan; "
            "install its sanitizers (Debian: in libgcc-12-dev, which gcc needs)"
        )
    return said


def build() -> Path:
    """Build the sanitized extension; raise `NotBuilt`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    target = FOLDER / "extension.so"
    run([*compile_command(STRICT, *OPTIONS), "-o", str(target)], "the compiler failed")
    return target


def environment_of(preloaded: str) -> dict[str, str]:
    """Return the environment of a watched Python: malloc alone allocates each object."""
    return os.environ | {
        "LD_PRELOAD": preloaded,
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:abort_on_error=1",
    }


def alarms(environment: dict[str, str]) -> bool:
    """Return whether a read beyond a buffer ends a process with a report."""
    done = subprocess.run(
        [sys.executable, "-c", _READ_BEYOND],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode != 0 and "heap-buffer-overflow" in done.stderr


if __name__ == "__main__":
    sys.exit(main())
