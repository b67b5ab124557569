"""Find the job that a user names: a file or a module, and a class in it."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mapreduce.code.load import JobClass, classes_of, import_job
from mapreduce.code.modules import Modules, imports_of, modules_of, needed_by, own_modules
from mapreduce.code.only_packed import opened_beside
from mapreduce.code.requirements import check_was_read, requirements_of
from mapreduce.code.reserved import is_reserved
from mapreduce.errors import JobLoadError


@dataclass(frozen=True, slots=True)
class JobSource:
    """The location of a job's code.

    Attributes:
        root: the folder in which its modules are looked up first.
        module: the dotted module of the job's file.
        name: the class.
        files: the side files that the module's jobs need.
        file: the job's file below the root, if Python cannot import it by name; else "".
        imported: modules that were loaded when the job was imported.
    """

    root: Path
    module: str
    name: str
    files: tuple[Path, ...] = ()
    file: str = ""
    imported: tuple[str, ...] = field(default=(), compare=False)

    @property
    def path(self) -> Path:
        """The job's file."""
        if self.file:
            return self.root / self.file
        base = self.root.joinpath(*self.module.split("."))
        return base / "__init__.py" if (base / "__init__.py").is_file() else base.with_suffix(".py")

    def needed(self) -> frozenset[str]:
        """Return the top-level modules that the job's file cannot be imported without."""
        return needed_by(self.path)

    def modules(self) -> Modules:
        """Return the modules that the job depends on.

        Raises:
            JobLoadError: as `modules_of`.
        """
        first = [*imports_of(self.path, self.root), *own_modules(self.imported)]
        found = modules_of(self.root, [*first, *([] if self.file else [self.module])], self.path)
        name = self.path.relative_to(self.root).as_posix()
        return Modules({name: self.path} | found.files, found.packages)


Provide = Callable[[tuple[str, ...]], object]
"""Makes a job's packages importable, by its requirements, before the job is imported."""


def find_job(
    text: str, ready_made: str = "", provide: Provide = lambda _: None
) -> tuple[JobSource, JobClass]:
    """Return the job or chain that `MODULE_OR_FILE[:Class]` names.

    Args:
        text: the user's text.
        ready_made: a package; a name without a dot that is not a module means a module in it.
        provide: is called with the requirements of the job's file and of the modules beside it.

    Raises:
        JobLoadError: there is no such file, module or class; it cannot be imported; or it is not a
            job.
    """
    target, _, name = text.partition(":")
    path = _path_of(target, ready_made)
    root, module, file = _place_of(path)
    required = requirements_of(path, JobSource(root, module, name, file=file).modules().files)
    provide(required)
    before = set(sys.modules)
    with opened_beside(root) as opened:
        cls = import_job(root, module, name, file)
    imported = tuple(sorted(set(sys.modules) - before - {module}))
    cls.check()
    classes = classes_of(sys.modules[cls.__module__]).values()
    for each in classes:
        check_was_read(each.__name__, each.requirements, required)
    wanted = {name for each in classes for name in each.files}
    files = tuple(_side_files(path.parent, sorted(wanted)))
    _check_opened(opened, root, files)
    return JobSource(root, module, cls.__name__, files, file, imported), cls


def _check_opened(opened: Iterable[Path], root: Path, files: Iterable[Path]) -> None:
    """Refuse a job whose import has read a file beside it that does not travel."""
    missing = sorted({path.resolve() for path in opened} - {path.resolve() for path in files})
    if missing:
        name = missing[0].relative_to(root.resolve())
        raise JobLoadError(
            f"the import of the job reads {name}, which does not travel with it: name it in "
            "`files`, and open `self.path(name)` in `map_setup`"
        )


def _side_files(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """Yield the files with these names, which must lie in the folder or below it."""
    for name in names:
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise JobLoadError(
                f"`files` holds {name!r}, which is not beside the job's file; copy it there"
            )
        below = [path] if path.is_file() else sorted(path.rglob("*"))
        found = [each for each in below if each.is_file()]
        if not found:
            raise JobLoadError(f"`files` holds {name!r}, but there is no such file in {folder}")
        yield from found


def _path_of(target: str, ready_made: str) -> Path:
    path = Path(target)
    if target.endswith(".py") or "/" in target:
        if path.is_dir() and path.name:
            raise _folder_named(path)
        if not path.is_file():
            raise JobLoadError(
                f"there is no job file {target}; "
                "give a .py file or the name of a job, such as word_count"
            )
        return path.resolve()
    names = [target] if "." in target or not ready_made else [target, f"{ready_made}.{target}"]
    found = next((file for name in names if (file := _file_of(name))), None)
    if found is None and path.is_dir() and _is_name(path.name):
        raise _folder_named(path)
    if found is None:
        known = f"; ready-made jobs: {', '.join(_modules_of(ready_made))}" if ready_made else ""
        raise JobLoadError(
            f"there is no job module {target!r}; give a .py file or the name of a job{known}"
        )
    return found


def _folder_named(path: Path) -> JobLoadError:
    files = sorted(each.name for each in path.glob("[!_]*.py"))
    which = f"{path}/{files[0] if files else 'job.py'}"
    return JobLoadError(f"{path} is a folder; name the job's file in it: --job {which}")


def _file_of(module: str) -> Path | None:
    """Return a module's file, or None if there is no such module or it is not written in Python."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    origin = spec.origin if spec else None
    return Path(origin).resolve() if origin and origin.endswith(".py") else None


def _modules_of(package: str) -> list[str]:
    """Return the names of a package's modules."""
    file = _file_of(package)
    return sorted(path.stem for path in file.parent.glob("[!_]*.py")) if file else []


def _place_of(path: Path) -> tuple[Path, str, str]:
    """Return a job's root, its module, and its file below the root if Python cannot import it by
    name.

    The root is the first folder above the file that is not a package.
    """
    root = path.parent
    while (root / "__init__.py").is_file() and _is_name(root.name):
        root = root.parent
    parts = path.relative_to(root).with_suffix("").parts
    # a user's package named like a reserved one, e.g. `services`: its file is imported alone
    if len(parts) > 1 and is_reserved(parts[0]):
        root, parts = path.parent, (path.stem,)
    if all(map(_is_name, parts)) and not is_reserved(parts[0]):
        return root, ".".join(parts), ""
    return path.parent, _stand_in(path), path.name


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _stand_in(path: Path) -> str:
    """Return an unused module name for a file like `my-job.py` or `json.py`."""
    name = "job_" + re.sub(r"\W", "_", path.stem, flags=re.ASCII)
    while (path.parent / f"{name}.py").exists() or (path.parent / name).exists():
        name += "_"
    return name
