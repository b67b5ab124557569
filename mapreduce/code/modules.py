"""Find the modules that a job's code consists of, from its import statements, without running any.

A module is one of four kinds: Python's, this program's, that of an installed distribution, or the
author's. The author's modules travel in the pack, wherever on the module path they lie. Installed
packages are named, with their versions, in the key of every task.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from pathlib import Path

from mapreduce.code.reserved import is_reserved
from mapreduce.errors import JobLoadError
from mapreduce.packages import is_of_packages, packages_folder

_STDLIB = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
_NAME = re.compile(r"[A-Za-z0-9._-]+")
INSTALLED = frozenset(("site-packages", "dist-packages"))
"""Names of the folders of installed packages."""
PROGRAM_FOLDER = Path(__file__).resolve().parent.parent
_DYNAMIC = frozenset(("import_module", "__import__"))


@dataclass(frozen=True, slots=True)
class Modules:
    """The modules that a job imports, directly or not.

    Attributes:
        files: the author's modules: name in the pack, e.g. `helpers/words.py`, to file.
        packages: top-level names of the installed packages.
    """

    files: dict[str, Path] = field(default_factory=dict)
    packages: frozenset[str] = frozenset()

    def names(self) -> tuple[str, ...]:
        """Return the names under which these may be loaded: dotted modules, top-level packages."""
        own = (
            name.partition(".")[0].replace("/", ".").removesuffix(".__init__")
            for name in self.files
        )
        provided = {
            top
            for found in distributions_behind(self.packages).values()
            for top in _provided_by(found.name)
        }
        return tuple(sorted({*own, *provided, *self.packages}))


def modules_of(root: Path, first: Iterable[str], file: Path) -> Modules:
    """Return the modules that a job's file depends on.

    Args:
        root: the folder that the job's file lies below; it is searched before the module path.
        first: the modules to begin with, dotted.
        file: the job's file.

    Raises:
        JobLoadError: the job imports a module beside it that has a reserved name.
    """
    found: dict[str, Path] = {}
    packages: set[str] = set()
    seen: set[str] = set()
    waiting = list(first)
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        place = _place_of(root, module, file)
        if isinstance(place, str):
            packages.add(place)
            continue
        for folder, path in place:
            name = path.relative_to(folder).as_posix()
            if name not in found:
                found[name] = path
                waiting += imports_of(path, folder)
    return Modules(found, frozenset(packages))


def files_of(root: Path, module: str) -> list[Path]:
    """Return a module's file and those of its parent packages, below a folder."""
    parts = module.split(".")
    found: list[Path] = []
    for depth in range(1, len(parts) + 1):
        base = root.joinpath(*parts[:depth])
        if (base / "__init__.py").is_file():
            found.append(base / "__init__.py")
            continue
        # Python prefers a compiled module to a source of the same name; both travel, because the
        # compiled one may not load on another machine
        names = (f"{base.name}{suffix}" for suffix in (*EXTENSION_SUFFIXES, ".py"))
        found += [path for name in names if (path := base.parent / name).is_file()]
    return found


def imports_of(path: Path, root: Path) -> Iterator[str]:
    """Yield the dotted names that a source file imports, relative ones made absolute."""
    if path.suffix != ".py":
        return
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # a file that cannot be imported imports nothing
        return
    package = path.relative_to(root).with_suffix("").parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (
                name for name in (base, *(f"{base}.{alias.name}" for alias in node.names)) if name
            )
        elif isinstance(node, ast.Call) and (name := _imported_by_call(node)):
            yield name


def needed_by(path: Path) -> frozenset[str]:
    """Return the top-level modules that a file imports whenever it is imported itself."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return frozenset()
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return frozenset(found)


def _imported_by_call(node: ast.Call) -> str | None:
    """Return the module of `import_module("name")` or `__import__("name")`."""
    called = getattr(node.func, "attr", "") or getattr(node.func, "id", "")
    first = getattr(node.args[0], "value", None) if node.args else None
    is_name = isinstance(first, str) and not first.startswith(".")
    return first if called in _DYNAMIC and is_name else None


def _place_of(root: Path, module: str, file: Path) -> str | Sequence[tuple[Path, Path]]:
    """Return the author's files of a module with their roots, or its installed package's name."""
    top = module.partition(".")[0]
    beside = [path for path in files_of(root, top) if path != file]
    if is_reserved(top):
        if beside and not _is_ours(beside[0], top) and not _is_installed_beside(root, top):
            raise JobLoadError(
                f"the job imports {top}, and {beside[0]} lies beside it; that name belongs to "
                "Python or to a library that runs the job, so the file would not be used: rename it"
            )
        return []
    if beside or files_of(root, module):
        return [(root, path) for path in files_of(root, module)]
    return _on_the_path(top, module)


def _is_ours(file: Path, top: str) -> bool:
    """Return whether a file is this program's, and the job lies in its clone."""
    return top == "mapreduce" or file.resolve().is_relative_to(PROGRAM_FOLDER.parent / "driver")


def _is_installed_beside(root: Path, top: str) -> bool:
    """Return whether an installer put a package beside the job (`pip install --target`)."""
    return any(
        line.startswith((f"{top}/", f"{top}.py"))
        for record in root.glob("*.dist-info/RECORD")
        for line in record.read_text(errors="replace").splitlines()
    )


def _on_the_path(top: str, module: str) -> str | Sequence[tuple[Path, Path]]:
    """Find a module on the module path; returns as `_place_of`."""
    for folder in _folders_of(top):
        if folder in _STDLIB or folder == packages_folder():
            return []  # the digest of the job's packages stands for all of them
        if _is_distribution(folder, top):
            return top
    return [(folder, path) for folder in _folders_of(top) for path in files_of(folder, module)]


def _folders_of(top: str) -> list[Path]:
    """Return the folders of a top-level module or package; none for a built-in or unknown one."""
    spec = _spec_of(top)
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(each).resolve().parent for each in spec.submodule_search_locations]
    return [Path(spec.origin).resolve().parent] if spec.origin and spec.has_location else []


def _spec_of(top: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None


def _is_distribution(folder: Path, top: str) -> bool:
    """Return whether a module belongs to a distribution installed in that folder."""
    return any((folder / name).is_dir() for name in _metadata_folders(top))


@cache
def _distributions() -> dict[str, list[metadata.Distribution]]:
    """Return the installed distributions by the top-level names that they provide."""
    found: dict[str, list[metadata.Distribution]] = {}
    for top, names in metadata.packages_distributions().items():
        found[top] = [metadata.distribution(name) for name in dict.fromkeys(names)]
    return found


def distributions_of(top: str) -> list[metadata.Distribution]:
    """Return the distributions that provide a top-level module name."""
    return _distributions().get(top, [])


def _metadata_folders(top: str) -> Iterator[str]:
    for found in distributions_of(top):
        folder = getattr(found, "_path", None)  # importlib.metadata has no public name for it
        if folder is not None:
            yield Path(str(folder)).name


def distributions_behind(tops: Iterable[str]) -> dict[str, metadata.Distribution]:
    """Return the distributions that provide top-level names, and their requirements, by name."""
    waiting = [found for top in sorted(tops) for found in distributions_of(top)]
    known: dict[str, metadata.Distribution] = {}
    while waiting:
        found = waiting.pop()
        if found.name not in known:
            known[found.name] = found
            waiting += _required_by(found)
    return known


def _required_by(found: metadata.Distribution) -> Iterator[metadata.Distribution]:
    for requirement in found.requires or ():
        name = _NAME.match(requirement)
        if name and "extra ==" not in requirement:
            with suppress(metadata.PackageNotFoundError):
                yield metadata.distribution(name[0])


def _provided_by(distribution: str) -> list[str]:
    return [
        top
        for top, found in _distributions().items()
        if any(each.name == distribution for each in found)
    ]


def own_modules(names: Iterable[str]) -> Iterator[str]:
    """Yield the loaded modules that come from files and are neither Python's nor this program's."""
    for name in names:
        file = getattr(sys.modules.get(name), "__file__", None)
        if (
            file
            and not is_reserved(name.partition(".")[0])
            and not Path(file).is_relative_to(PROGRAM_FOLDER)
            and not is_of_packages(file)
        ):
            yield name


def loaded_modules(names: Iterable[str]) -> tuple[str, ...]:
    """Return the modules that a job has loaded, named as `Modules.names`."""
    found = set()
    for name in own_modules(names):
        installed = INSTALLED & set(Path(str(sys.modules[name].__file__)).parts)
        found.add(name.partition(".")[0] if installed else name)
    return tuple(sorted(found))
