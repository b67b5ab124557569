"""The packages of a run's job: for its tasks, and for this process, which imports the job too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from driver.cloud.stack import Stack
from driver.history.run_store import RunStore
from driver.packages.compiled import ELF_HEAD, fits, is_compiled
from driver.packages.platforms import canonical, here, of_images
from driver.packages.resolve import (
    Place,
    Requirements,
    Resolved,
    fetch_all,
    keep,
    resolved,
)
from driver.packages.user_folder import trim, user_folder, user_place
from driver.text import bytes_text, plural, shown
from mapreduce.code import JobSource, Modules, members_of
from mapreduce.code.modules import distributions_of
from mapreduce.errors import JobLoadError, ObjectMissing
from mapreduce.packages import Lock, PackageCache, use_packages
from mapreduce.packages.document import platform_here
from mapreduce.wire import keys

SHOWN = 4


@dataclass(frozen=True, slots=True)
class JobPackages:
    """The packages of a job.

    Attributes:
        tasks: those that the run's tasks import.
        here: those that this process imports.
        folder: where the latter are unpacked.
        anew: they were resolved again on request.
        stored: they come from the run's store.
    """

    tasks: Resolved
    here: Resolved
    folder: Path
    anew: bool = False
    stored: bool = False


class PackagesWanted:
    """Finds the packages of a job when its requirements are known, before it is imported.

    Args:
        file: a requirements file of the user.
        refresh: resolve anew.
        places: returns the stack, if the tasks run there, and the run's store, if there is a run.
        kept: the digest of packages that the store has, which a plan was made with; they are used
            as they are where this process has their platform.
    """

    def __init__(
        self,
        file: Path | None = None,
        refresh: bool = False,
        places: Callable[[], tuple[Stack | None, RunStore | None]] = lambda: (None, None),
        kept: str = "",
    ) -> None:
        self._file = file
        self._refresh = refresh
        self._places = places
        self._kept = kept
        self.found: JobPackages | None = None

    def provide(self, texts: tuple[str, ...]) -> None:
        """Make the packages importable in this process.

        Raises:
            JobLoadError: there are no wheels for a platform, or they cannot be used here.
        """
        if self._kept and self._use_kept():
            return
        required = Requirements(texts, self._file)
        if not required:
            use_packages(None)
            return
        stack, runs = self._places()
        user = user_place()
        shared = Place(runs.storage, runs.store) if runs else user
        places = [shared, user] if runs else [user]
        like: dict[str, str] = {}
        tasks: Resolved | None = None
        if stack is not None:
            images = of_images(stack.architecture)
            tasks = resolved(required, images, places, refresh=self._refresh)
            like = {canonical(each.name): each.version for each in tasks.packages.wheels}
        local = resolved(required, here(), places, refresh=self._refresh, like=like)
        fetch_all(local, shared, user)
        cache = PackageCache(user.storage, user.store, user_folder() / "unpacked")
        folder = cache.fetch(local.digest)
        use_packages(folder)
        if not (local.remembered and (tasks is None or tasks.remembered)):
            trim(user)
        self.found = JobPackages(tasks or local, local, folder, self._refresh)

    def _use_kept(self) -> bool:
        """Make the packages of a plan importable; return whether this process can import them.

        Neither pip nor a requirements file is needed, which the driver's image does not have.
        """
        _, runs = self._places()
        if runs is None:
            return False
        cache = PackageCache(runs.storage, runs.store, user_folder() / "unpacked")
        try:
            runs.storage.head(keys.package_set(runs.store, self._kept))
        except ObjectMissing:  # `packages --clean` has deleted it
            return False
        packages = cache.read(self._kept)
        if packages.platform != platform_here():
            return False
        folder = cache.fetch(self._kept)
        use_packages(folder)
        lock = Lock(requirements=(), platform=packages.platform, packages=self._kept, resolved=0.0)
        found = Resolved(packages, self._kept, lock, "", remembered=True)
        self.found = JobPackages(found, found, folder, stored=True)
        return True

    def notes(self) -> Iterator[str]:
        """Yield what is said about the packages of the run."""
        if self.found is None:
            return
        tasks = self.found.tasks
        wheels = sorted(tasks.packages.wheels, key=lambda each: -each.size_bytes)
        names = ", ".join(f"{each.name} {each.version}" for each in wheels[:SHOWN])
        more = f" and {len(wheels) - SHOWN} more" if len(wheels) > SHOWN else ""
        known = ", as before" if tasks.remembered else ""
        sizes = f"{bytes_text(tasks.packages.size_bytes)}{known}"
        yield f"packages  {plural(len(wheels), 'wheel')}, {sizes}: {names}{more}"
        if tasks.packages.ignored:
            left = [each for each in tasks.packages.ignored if each.endswith(".pth")]
            if left:
                yield f"packages  left out, as it would run in every process: {', '.join(left)}"
        if tasks is not self.found.here:
            yield from _differences(tasks, self.found.here)


def keep_packages(found: JobPackages, runs: RunStore) -> None:
    """Put the packages of a run's tasks into its store."""
    if found.stored:
        return
    keep(found.tasks, user_place(), Place(runs.storage, runs.store), anew=found.anew)


def digest_of_packages(found: JobPackages | None) -> str:
    """Return the digest that the tasks get, "" for none."""
    return found.tasks.digest if found else ""


def check_compiled(source: JobSource, modules: Modules, stack: Stack) -> None:
    """Refuse a compiled module beside the job that the services in AWS cannot load.

    A source of the same name would take its place without a word, many times slower.

    Raises:
        JobLoadError: names the file, and what to do.
    """
    wanted = of_images(stack.architecture)
    for name, path in sorted(members_of(source, modules).items()):
        if not is_compiled(name) or fits(name, path.read_bytes()[:ELF_HEAD], wanted.name):
            continue
        raise JobLoadError(
            f"{shown(name)} beside the job is a compiled module that the services in AWS cannot "
            f"load ({wanted.name}); build it for that platform, require the package "
            "(`requirements`), or remove the file to use a slower module of the same name"
        )


def foreign_modules(source: JobSource, modules: Modules) -> list[str]:
    """Return notes on packages of this environment that the images do not have.

    Raises:
        JobLoadError: the job's file imports one in any case.
    """
    provided = of_images("X86_64").provided
    foreign = sorted(
        top
        for top in modules.packages
        if not any(canonical(each.name) in provided for each in distributions_of(top))
    )
    if not foreign:
        return []
    write = f"write `requirements = {[_distribution(top) for top in foreign]!r}` in the class"
    if needed := [top for top in foreign if top in source.needed()]:
        raise JobLoadError(
            f"{source.name} imports {', '.join(needed)}, which the services in AWS do not have; "
            f"{write}"
        )
    return [f"packages  the services in AWS lack {', '.join(foreign)}; {write}"]


def _distribution(top: str) -> str:
    return next((each.name for each in distributions_of(top)), top)


def _differences(tasks: Resolved, local: Resolved) -> Iterator[str]:
    """Yield a note where this machine has another version than the tasks."""
    there = {canonical(each.name): each.version for each in tasks.packages.wheels}
    for each in local.packages.wheels:
        version = there.get(canonical(each.name))
        if version is not None and version != each.version:
            yield (
                f"packages  the tasks have {each.name} {version}, and this machine {each.version}"
            )
