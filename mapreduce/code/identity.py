"""What a task's result depends on of a job's code, as a digest for each stage.

A map task's digest leaves out what only a reduce task can run, where that is certain, so that a fix in a reducer redoes
no map task. Comments and layout are in neither. Where the code looks at itself, every byte counts.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mapreduce.code.find import JobSource
from mapreduce.code.load import classes_of
from mapreduce.code.modules import Modules, distributions_behind
from mapreduce.code.packing import members_of
from mapreduce.job import Job

REDUCE_ONLY = frozenset(("reduce", "reduce_setup", "reduce_cleanup"))
"""Methods of a job that the engine calls in reduce tasks alone."""
_LOOKS_AT_ITSELF = frozenset(
    (
        *(
            "__file__",
            "__code__",
            "__loader__",
            "__spec__",
            "co_firstlineno",
            "f_lineno",
            "tb_lineno",
            "lineno",
        ),
        *(
            "inspect",
            "linecache",
            "tokenize",
            "getsource",
            "get_data",
            "pkgutil",
            "importlib.resources",
        ),
    )
)
"""Names in a source that may make it depend on its own text or its lines."""
_LOOKS_AROUND = frozenset(
    (
        *(
            "getattr",
            "vars",
            "dir",
            "eval",
            "exec",
            "globals",
            "locals",
            "compile",
            "__dict__",
            "__getattribute__",
        ),
        *(
            "__getattr__",
            "__init_subclass__",
            "__subclasses__",
            "attrgetter",
            "methodcaller",
            "inspect",
            "gc",
        ),
    )
)
"""Names in a source that may lead to a method without its name."""


class CodeIdentity(BaseModel):
    """Digests of what a job's map tasks and its reduce tasks depend on, 32 hexadecimal digits each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    map: str = ""
    reduce: str = ""


def identity_of(source: JobSource, modules: Modules, job: type[Job]) -> CodeIdentity:
    """Return the identity of a job's code.

    Args:
        source: where its code lies.
        modules: what it stands on.
        job: the class, or that of a step of a chain.
    """
    trees, raw = _read(members_of(source, modules))
    own = _file_of(job, source, modules)
    shared = [*raw, *_packages(modules.packages)]
    names = _reduce_only(job, trees, own)
    mapped = dict(trees)
    if names:
        mapped[own] = _without(mapped[own], names, _jobs_beside(job))
    return CodeIdentity(map=_digest(mapped, shared), reduce=_digest(trees, shared))


def _file_of(job: type[Job], source: JobSource, modules: Modules) -> str:
    """Return the name in the pack of the file that defines a job, which a chain may have imported."""
    if job.__module__ == source.module:
        return source.path.relative_to(source.root).as_posix()
    base = job.__module__.replace(".", "/")
    return f"{base}/__init__.py" if f"{base}/__init__.py" in modules.files else f"{base}.py"


def _read(members: Mapping[str, Path]) -> tuple[dict[str, ast.Module], list[bytes]]:
    """Return the sources that count by their meaning, and the names and bytes of everything else."""
    trees: dict[str, ast.Module] = {}
    raw: list[bytes] = []
    contents = {name: path.read_bytes() for name, path in sorted(members.items())}
    parsed = {name: _parsed(content) for name, content in contents.items() if name.endswith(".py")}
    literal = any(tree is None or _names(tree) & _LOOKS_AT_ITSELF for tree in parsed.values())
    for name, content in contents.items():
        tree = parsed.get(name)
        if tree is None or literal:
            raw += [name.encode(), content]
        else:
            trees[name] = tree
    return trees, raw


def _parsed(content: bytes) -> ast.Module | None:
    try:
        return ast.parse(content)
    except (SyntaxError, ValueError):
        return None


def _names(tree: ast.AST) -> set[str]:
    """Return every name, attribute, imported name, and short text in a source."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found |= {node.name, *node.name.split("."), node.asname or ""}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(node.module or "").split(".")}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.keyword):
            found.add(node.arg or "")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


def _reduce_only(job: type[Job], trees: Mapping[str, ast.Module], own: str) -> frozenset[str]:
    """Return the names of the methods that no map task can run, whatever the job's other code does.

    That is certain where all classes that the job inherits from are in the pack or this program's, nothing in the
    pack names the method but its own body, and nothing looks methods up in another way.
    """
    ours = {"object", "Job", "Parametrised", "Generic", "Chain"}
    inherited = [cls for cls in job.__mro__ if cls.__name__ not in ours or not _is_ours(cls)]
    if own not in trees or any(not _is_in(cls, trees, own) for cls in inherited):
        return frozenset()
    rest = {**trees, own: _without(trees[own], REDUCE_ONLY, _jobs_beside(job), gone=True)}
    everywhere = set[str]().union(*map(_names, rest.values()))
    if everywhere & _LOOKS_AROUND or any(map(_hands_itself_on, rest.values())):
        return frozenset()
    return REDUCE_ONLY - everywhere


def _jobs_beside(job: type[Job]) -> frozenset[str]:
    """Return the names of the jobs that the job's own file defines."""
    return frozenset(classes_of(sys.modules[job.__module__]))


def _hands_itself_on(tree: ast.AST) -> bool:
    """Return whether `self` is given to a call, which may then call any method of it."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    given = (
        each
        for call in calls
        for each in (*call.args, *(keyword.value for keyword in call.keywords))
    )
    return any(isinstance(each, ast.Name) and each.id == "self" for each in given)


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in ("builtins", "typing", "mapreduce")


def _is_in(cls: type, trees: Mapping[str, ast.Module], own: str) -> bool:
    """Return whether a class is defined at the top of the job's own file, without decorators or a metaclass."""
    module = sys.modules.get(cls.__module__)
    found = [
        node
        for node in trees[own].body
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__
    ]
    in_own_file = (
        module is not None and Path(str(getattr(module, "__file__", ""))).name == Path(own).name
    )
    return in_own_file and len(found) == 1 and not found[0].decorator_list and not found[0].keywords


def _without(
    tree: ast.Module, names: frozenset[str], classes: frozenset[str], *, gone: bool = False
) -> ast.Module:
    """Return a source in which methods of these names have no body, or are not there at all (`gone`).

    A method with a decorator, or with a default that is computed, stays: these run when the class is made.
    """
    body = [
        _class_without(node, names, gone=gone)
        if isinstance(node, ast.ClassDef) and node.name in classes
        else node
        for node in tree.body
    ]
    return ast.Module(body=body, type_ignores=[])


def _class_without(node: ast.ClassDef, names: frozenset[str], *, gone: bool) -> ast.ClassDef:
    kept = [
        _stub(each) if isinstance(each, ast.FunctionDef) and _can_go(each, names) else each
        for each in node.body
        if not (gone and isinstance(each, ast.FunctionDef) and _can_go(each, names))
    ]
    return ast.ClassDef(**{**dict(ast.iter_fields(node)), "body": kept or [ast.Pass()]})


def _stub(node: ast.FunctionDef) -> ast.FunctionDef:
    return ast.FunctionDef(**{**dict(ast.iter_fields(node)), "body": [ast.Pass()]})


def _can_go(node: ast.FunctionDef, names: frozenset[str]) -> bool:
    if node.name not in names or node.decorator_list:
        return False
    defaults = [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]
    annotated = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    evaluated = [*defaults, *(each.annotation for each in annotated if each.annotation)]
    return all(
        isinstance(each, ast.Constant | ast.Name | ast.Attribute | ast.Subscript)
        for each in evaluated
    )


def _packages(tops: frozenset[str]) -> list[bytes]:
    """Return what tells one state of the installed packages from another: those named, and those that they require.

    Of each: its name and version, the digests of its files as the installer has written them down, and the files of
    its modules that are loaded, which somebody may have edited in place.
    """
    parts = [
        part
        for name, found in sorted(distributions_behind(tops).items())
        for part in (
            name.encode(),
            found.version.encode(),
            (found.read_text("RECORD") or "").encode(),
        )
    ]
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in tops and (file := getattr(module, "__file__", None)):
            parts += [name.encode(), _content(Path(file))]
    return parts


def _content(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:  # inside of a zip: nothing that can be compared, so nothing is found again
        return uuid.uuid4().bytes


def _digest(trees: Mapping[str, ast.Module], shared: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    meanings = ((name.encode(), ast.dump(tree).encode()) for name, tree in sorted(trees.items()))
    for part in (*(part for pair in meanings for part in pair), *shared):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:32]
