"""`packages`: what jobs require, in a store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from driver.cli.options import Fields, Flag
from driver.cli.terminal import answer, print_document, say
from driver.report.words import when_text
from driver.text import bytes_text, plural, shown, storable
from mapreduce.errors import UsageError
from mapreduce.wire.messages import Message

if TYPE_CHECKING:
    from driver.history.package_list import StoredPackages

SHOWN_DIGITS = 12


class PackageLine(Message):
    """One wheel: the distribution's name, its version, and the size of the file."""

    name: str
    version: str
    size_bytes: int


class PackagesLine(Message):
    """The packages that a job's requirements resolved to, on one platform.

    `digest` is `job.packages` of the plans of its runs. `used` is when the last of them was
    planned, in seconds since the epoch, and 0 without any. `damaged`: the set cannot be read.
    """

    digest: str
    platform: str = ""
    requirements: tuple[str, ...] = ()
    packages: tuple[PackageLine, ...] = ()
    size_bytes: int = 0
    unpacked_bytes: int = 0
    runs: int = 0
    used: float = 0.0
    damaged: bool = False


class PackageList(Message):
    """The packages in a store: each set, the one used last at the end."""

    store: str
    sets: tuple[PackagesLine, ...]


def packages(
    *,
    clean: Flag = False,
    yes: Flag = False,
    json: Flag = False,
    fields: Fields = None,
    store: str | None = None,
) -> int:
    """List the packages that jobs require, as they are in a store; delete unused ones.

    Each line is what some requirements resolved to on one platform. With --clean, packages that no
    run of the store was planned with, and that are older than a day, are deleted.

        python -m driver packages
        python -m driver packages --clean --yes

    Args:
        clean: Show what is unused; with --yes, delete it.
        yes: With --clean, delete.
        json: Print one JSON document on standard output.
        fields: Of the document, only these fields, with commas between; implies --json.
        store: Folder or URL of the store (by default the stack's bucket, else .mapreduce in this
            folder).
    """
    from driver.history.cleaning import carry_out
    from driver.history.package_list import list_packages, plan_unused
    from driver.targets.prepare import open_runs

    if yes and not clean:
        raise UsageError("--yes: belongs to --clean; give both, or neither")
    kept = open_runs(store)
    if clean:
        cleaning = plan_unused(kept, time.time())
        for note in cleaning.notes:
            say(note, style="yellow")
        what = f"{plural(len(cleaning.objects), 'object')}, {bytes_text(cleaning.size_bytes)}"
        if not yes:
            say(f"would delete {what} from {kept.store}; do it with --yes")
            return 0
        carry_out(cleaning, kept)
        say(f"deleted {what} from {kept.store}")
        return 0
    found, unknown = list_packages(kept)
    for run in unknown:
        say(f"unreadable: {shown(run)}", style="yellow")
    lines = tuple(map(_line, found))
    if json or fields is not None:
        print_document(PackageList(store=kept.store, sets=lines), fields)
    elif not lines:
        say(f'no job in {kept.store} has required packages yet; write `requirements = ["name"]`')
    for line in lines if not (json or fields is not None) else ():
        _answer(line)
    return 0


def _line(each: StoredPackages) -> PackagesLine:
    if each.packages is None:
        return PackagesLine(digest=each.digest, runs=each.runs, used=each.used, damaged=True)
    wheels = tuple(
        PackageLine(name=wheel.name, version=wheel.version, size_bytes=wheel.size_bytes)
        for wheel in each.packages.wheels
    )
    return PackagesLine(
        digest=each.digest,
        platform=each.packages.platform,
        requirements=tuple(map(storable, each.requirements)),
        packages=wheels,
        size_bytes=each.packages.size_bytes,
        unpacked_bytes=each.packages.unpacked_bytes,
        runs=each.runs,
        used=each.used,
    )


def _answer(line: PackagesLine) -> None:
    digest = line.digest[:SHOWN_DIGITS]
    if line.damaged:
        answer(f"{digest}  damaged: a run with --refresh-packages uploads it again")
        return
    used = f"{plural(line.runs, 'run')}, last {when_text(line.used)}" if line.runs else "unused"
    sizes = f"{bytes_text(line.size_bytes)}, {bytes_text(line.unpacked_bytes)} unpacked"
    answer(f"{digest}  {line.platform}  {sizes}  {used}")
    answer(f"  {', '.join(f'{each.name} {each.version}' for each in line.packages) or 'none'}")
