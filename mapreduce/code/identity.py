"""Digests of a job's code for each stage: what the result of a task depends on.

A map task's digest leaves out code that certainly only a reduce task can run, so that a fix in
`reduce` repeats no map task. Comments and layout are in neither digest. If the code inspects
itself, every byte counts.
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
"""Methods of a job that the engine calls only in reduce tasks."""
_LOOKS_AT_ITSELF = frozenset(
    (
        "__file__ __code__ __loader__ __spec__ co_firstlineno f_lineno tb_lineno lineno inspect "
        "linecache tokenize getsource get_data pkgutil importlib.resources"
    ).split()
)
"""Names in a source that may make it depend on its text or its line numbers."""
_LOOKS_AROUND = frozenset(
    (
        "getattr vars dir eval exec globals locals compile __dict__ __getattribute__ __getattr__ "
        "__init_subclass__ __subclasses__ attrgetter methodcaller inspect gc"
    ).split()
)
"""Names in a source that may reach a method without its name."""


class CodeIdentity(BaseModel):
    """Digests of the code of a job's map tasks and reduce tasks, 32 hexadecimal digits each."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    map: str = ""
    reduce: str = ""


def identity_of(source: JobSource, modules: Modules, job: type[Job]) -> CodeIdentity:
    """Return the identity of a job's code.

    Args:
        source: the location of its code.
        modules: the modules that it depends on.
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
    """Return the name in the pack of the file that defines a job; a chain may have imported it."""
    if job.__module__ == source.module:
        return source.path.relative_to(source.root).as_posix()
    base = job.__module__.replace(".", "/")
    return f"{base}/__init__.py" if f"{base}/__init__.py" in modules.files else f"{base}.py"


def _read(members: Mapping[str, Path]) -> tuple[dict[str, ast.Module], list[bytes]]:
    """Return the sources that count by their syntax trees, and the names and bytes of all other
    files.
    """
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

    This is certain if all classes that the job inherits from are in the pack or this program's,
    nothing in the pack names the method except its own body, and nothing looks methods up in
    another way.
    """
    ours = {"object", "Job", "Parametrised", "Settings", "Generic", "Chain"}
    inherited = [cls for cls in job.__mro__ if cls.__name__ not in ours or not _is_ours(cls)]
    if own not in trees or any(not _is_in(cls, trees, own) for cls in inherited):
        return frozenset()
    rest = {**trees, own: _without(trees[own], REDUCE_ONLY, _jobs_beside(job), gone=True)}
    everywhere = set[str]().union(*map(_names, rest.values()))
    # when in doubt, `reduce` counts for map tasks too: a wrong reuse is worse than a repeated task
    if everywhere & _LOOKS_AROUND or any(map(_hands_itself_on, rest.values())):
        return frozenset()
    return REDUCE_ONLY - everywhere


def _jobs_beside(job: type[Job]) -> frozenset[str]:
    """Return the names of the jobs that the job's own file defines."""
    return frozenset(classes_of(sys.modules[job.__module__]))


def _hands_itself_on(tree: ast.AST) -> bool:
    """Return whether a call gets `self` as an argument, and may then call any of its methods."""
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
    """Return whether a class is defined at the top of the job's file, without decorators or a
    metaclass.
    """
    module = sys.modules.get(cls.__module__)
    classes = (node for node in trees[own].body if isinstance(node, ast.ClassDef))
    found = [node for node in classes if node.name == cls.__name__]
    in_own_file = Path(str(getattr(module, "__file__", ""))).name == Path(own).name
    return in_own_file and len(found) == 1 and not found[0].decorator_list and not found[0].keywords


def _without(
    tree: ast.Module, names: frozenset[str], classes: frozenset[str], *, gone: bool = False
) -> ast.Module:
    """Return a source in which methods of these names have no body, or are removed (`gone`).

    A method with a decorator, or with a computed default, stays: these run when the class is
    created.
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
    """Return what identifies the state of the installed packages: those named, and their
    requirements.

    For each: name and version, its RECORD (the installer's digests of its files), and the digests
    of its loaded modules, which may have been edited in place.
    """
    parts: list[bytes] = []
    for name, found in sorted(distributions_behind(tops).items()):
        record = found.read_text("RECORD") or ""
        parts += [name.encode(), found.version.encode(), record.encode()]
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in tops and (file := getattr(module, "__file__", None)):
            parts += [name.encode(), _content(Path(file))]
    return parts


def _content(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:  # a module inside a zip cannot be compared: a random value prevents reuse
        return uuid.uuid4().bytes


def _digest(trees: Mapping[str, ast.Module], shared: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    meanings = ((name.encode(), ast.dump(tree).encode()) for name, tree in sorted(trees.items()))
    for part in (*(part for pair in meanings for part in pair), *shared):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:32]
