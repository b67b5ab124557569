"""A machine without free disk, without memory, or with a wrong clock."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import ClassVar

from tests.faults.fault import Expected, Fault, Setting, Skipped, register
from tests.faults.trial import Trial


class _DiskFull(Fault):
    """Mounts a disk of a few kilobytes where the run writes."""

    expected: ClassVar[Expected] = "either"
    message = r"error: .*(No space left|make room)"
    size_kb: ClassVar[tuple[int, int]]

    def __init__(self) -> None:
        self._mounted: Path | None = None

    def folder(self, trial: Trial) -> Path:
        """Return the folder that is to be small."""
        raise NotImplementedError

    def prepare(self, trial: Trial) -> None:
        """Mount the disk, as root."""
        folder = self.folder(trial)
        folder.mkdir(exist_ok=True)
        size = trial.chance.randint(*self.size_kb)
        options = f"size={size}k"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise Skipped("NO SMALL DISK: mounting one takes root, so a full disk is NOT tested")
        self._mounted = folder
        trial.injected(f"a disk of {size} KiB")

    def finish(self, trial: Trial) -> None:
        """Unmount the disk; its content is lost."""
        if self._mounted is not None and not trial.driver.wait_until_none_is_left():
            leftovers = [path.name for path in self._mounted.iterdir()]
            subprocess.run(["umount", self._mounted], check=True)
            self._mounted = None
            for name in leftovers:
                if name.startswith("mapreduce-"):
                    (self.folder(trial) / name).touch()


@register
class ScratchFull(_DiskFull):
    name = "scratch-disk-full"
    says = "the disk for temporary files is far too small"
    size_kb = (16, 400)

    def folder(self, trial: Trial) -> Path:
        """Return TMPDIR."""
        return trial.temporary


@register
class StoreFull(_DiskFull):
    name = "store-disk-full"
    says = "the disk that the store is on is far too small"
    expected = "fails loudly"
    size_kb = (100, 700)

    def folder(self, trial: Trial) -> Path:
        """Return the store's folder."""
        return Path(trial.store)


class _Once(Fault):
    """The job makes one map task fail once."""

    def prepare(self, trial: Trial) -> None:
        """Choose the file that tells the job whether it is the first."""
        trial.arguments.append(f"--param=mark={trial.folder / 'mark'}")

    def finish(self, trial: Trial) -> None:
        """Count the injection if the file exists."""
        trial.injections = ["out of memory"] if (trial.folder / "mark").exists() else []


@register
class MemoryErrorOnce(_Once):
    name = "memory-error"
    says = "the job raises MemoryError once; the next attempt has the memory"
    setting = Setting(job="Forgetful")
    quiet = Setting()
    shows = "out of memory"


@register
class OutOfMemory(_Once):
    name = "out-of-memory"
    says = "a worker asks for a gigabyte that it may not have (RLIMIT_AS)"
    setting = Setting(job="Hungry")
    quiet = Setting()
    shows = "out of memory"


class _Skewed(Fault):
    """The driver's clock is wrong; the services' clock is right."""

    setting = Setting(launcher="tests.faults.skewed_driver")
    skew_s: ClassVar[int]

    def prepare(self, trial: Trial) -> None:
        """Set the clock off by ten minutes."""
        trial.environment["MAPREDUCE_TEST_SKEW_S"] = str(self.skew_s)
        trial.injected(f"a clock wrong by {self.skew_s} s")


@register
class ClockBehind(_Skewed):
    name = "clock-behind"
    says = "the driver's clock is ten minutes behind the services': all its tokens have ended"
    expected = "fails loudly"
    message = r"error: .*clock"
    skew_s = -600


@register
class ClockAhead(_Skewed):
    name = "clock-ahead"
    says = "the driver's clock is ten minutes ahead of the services'"
    expected = "either"
    message = r"error: .*clock"
    skew_s = 600
