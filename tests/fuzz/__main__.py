"""Build the extension with libFuzzer and sanitizers, in a separate folder, and fuzz it:
`python -m tests.fuzz --seconds 60`.

Its corpus stays in build/fuzz/corpus, and the next run starts from it. A failing input is kept in
build/fuzz; `python -m tests.fuzz build/fuzz/crash-...` runs only that input.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path

from mapreduce.native.build import STRICT, NotBuilt, compile_command, run
from tests.sanitize.__main__ import environment_of

FOLDER = Path("build/fuzz").resolve()
CORPUS = FOLDER / "corpus"
HARNESS = Path(__file__).with_name("harness.c")
OPTIONS = (
    "-fsanitize=address,undefined,fuzzer-no-link",
    "-fno-sanitize-recover=all",
    "-shared-libsan",
    # the preloaded sanitizer has empty functions of the names that report coverage to libFuzzer
    "-Wl,-Bsymbolic",
    "-fno-omit-frame-pointer",
    "-g",
    "-O1",
)
_RUN = "from tests.fuzz.inside import main; main()"


def main() -> int:
    """Return 0 if the time is over without a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("inputs", nargs="*", help="run these inputs alone")
    given = parser.parse_args()
    os.environ.setdefault("CC", "clang")
    try:
        extension = build()
        environment = environment_of(runtime("asan"))
    except NotBuilt as exc:
        sys.stderr.write(f"the extension cannot be fuzzed: {exc}\n")
        return 1
    sow()
    options = [
        f"-max_total_time={given.seconds}",
        "-timeout=60",
        "-rss_limit_mb=4096",
        "-max_len=4096",
    ]
    options += ["-print_final_stats=1", "-use_value_profile=1", f"-artifact_prefix={FOLDER}/"]
    command = [
        sys.executable,
        "-c",
        _RUN,
        str(extension),
        *options,
        *(given.inputs or [str(CORPUS)]),
    ]
    return subprocess.run(command, env=environment, check=False).returncode


def build() -> Path:
    """Build the extension and the harness as one library; raises `NotBuilt`."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    target = FOLDER / "extension.so"
    # libFuzzer is C++; the archive has its own flags
    more = [str(HARNESS), runtime("fuzzer_no_main"), "-l:libstdc++.so.6", "-lm"]
    run([*compile_command(STRICT, *OPTIONS), *more, "-o", str(target)], "the compiler failed")
    return target


def runtime(name: str) -> str:
    """Return the path of one of clang's runtime libraries; raises `NotBuilt`."""
    compiler = os.environ["CC"]
    machine = os.uname().machine
    try:
        asked = [compiler, "-print-runtime-dir"]
        folder = Path(
            subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        )
    except OSError as exc:
        raise NotBuilt(
            f"{compiler} cannot be run: {exc}; install clang (Debian: apt-get install clang)"
        ) from exc
    suffix = "so" if name == "asan" else "a"
    # older versions of clang name the machine in the file, newer ones in the folder
    for path in (
        folder / f"libclang_rt.{name}-{machine}.{suffix}",
        folder / f"libclang_rt.{name}.{suffix}",
    ):
        if path.is_file():
            return str(path)
    raise NotBuilt(
        f"clang has no {name} in {folder}; "
        "install its runtime (Debian: apt-get install libclang-rt-dev)"
    )


def sow() -> None:
    """Write the seeds to the corpus, in a process that may import the usual extension."""
    from tests.fuzz.targets import seeds  # imports the extension

    for seed in seeds():
        (CORPUS / f"seed-{blake2b(seed, digest_size=8).hexdigest()}").write_bytes(seed)


if __name__ == "__main__":
    sys.exit(main())
