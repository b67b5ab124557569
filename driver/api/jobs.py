"""The job that a program in Python gives: a class, an instance, or a name as `--job` takes it."""

from __future__ import annotations

import ast
import inspect
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, TypeAlias

from driver.api.live.as_written import check_as_written
from driver.api.live.cells import KeptCells
from driver.api.live.gather import MODULE, gathered
from driver.api.live.statements import definition_of
from driver.plan.origins import Origin
from driver.text import shown_repr
from mapreduce.chain import Chain
from mapreduce.code import JobClass
from mapreduce.errors import JobLoadError, UsageError
from mapreduce.job import Job

JobOrName: TypeAlias = "type[Job] | type[Chain] | Job | Chain | str"


@dataclass(frozen=True, slots=True)
class GivenJob:
    """A job that has a file now.

    Attributes:
        text: the job as `--job` takes it.
        parameters: those of an instance, as JSON.
        origins: of a gathered file.
        file: the gathered file; None for a job that lies in a file of its author's.
    """

    text: str
    parameters: Mapping[str, object]
    origins: tuple[Origin, ...] = ()
    file: Path | None = None


@contextmanager
def given_job(job: object) -> Iterator[GivenJob]:
    """Yield a job; one of a notebook has a file within the block.

    Raises:
        UsageError: this is no job.
        JobLoadError: its source cannot be found, or something that it uses cannot travel.
    """
    if isinstance(job, str) and job:
        yield GivenJob(job, {})
        return
    cls, parameters = _class_of(job)
    cls.check()
    file = _file_of(cls)
    if file is not None:
        yield GivenJob(f"{file}:{cls.__name__}", parameters)
        return
    namespace = vars(sys.modules[cls.__module__])
    found = gathered(cls, namespace, KeptCells())
    with tempfile.TemporaryDirectory(prefix="mapreduce-job-") as folder:
        # resolved: tracebacks name the real path
        made = Path(folder).resolve() / f"{MODULE}.py"
        made.write_text(found.text, encoding="utf-8")
        _copy_files(cls, namespace, made.parent)
        yield GivenJob(f"{made}:{cls.__name__}", parameters, found.origins, made)


def _class_of(job: object) -> tuple[JobClass, dict[str, object]]:
    """Return the class of a job, and the parameters of an instance that are not the default."""
    if isinstance(job, type) and issubclass(job, Job | Chain) and job not in (Job, Chain):
        return job, {}
    if isinstance(job, Job | Chain):
        cls = type(job)
        plain = cls(**job.parameter_values())
        if unsaid := sorted(vars(job).keys() - vars(plain).keys() - set(cls.parameters())):
            raise UsageError(
                f"`{unsaid[0]}` of this {cls.__name__} was set on the instance, and does not reach "
                f"the workers; make it a parameter: `{unsaid[0]}: int = 0` in the class"
            )
        missing = object()
        return cls, {
            name: value
            for name, value in job.parameter_values().items()
            if getattr(job, name) != getattr(cls, name, missing)
        }
    raise UsageError(
        f"run() takes a class with `map`, an instance of one, or the name of a job, not "
        f'{shown_repr(job, 60)}; write run(WordCount, "books/")'
    )


def _file_of(cls: type) -> Path | None:
    """Return the file that a class lies in; None for one of a notebook or a REPL.

    Raises:
        JobLoadError: the class in memory is not the file's.
    """
    module = sys.modules.get(cls.__module__)
    name = getattr(module, "__file__", None)
    if module is None or (name is None and cls.__module__ != "__main__"):
        raise JobLoadError(
            f"the module {cls.__module__} of {cls.__name__} has no file; write the class to a .py "
            "file and import it"
        )
    if name is None or not name.endswith(".py") or not Path(name).is_file():
        return None
    text = Path(name).read_text(encoding="utf-8", errors="replace")
    codes = [each.__code__ for each in _functions(cls)]
    if any(code.co_filename not in (name, str(Path(name).resolve())) for code in codes):
        return None  # typed after `python -i FILE`, or in an interactive window
    if "<locals>" in cls.__qualname__ or "." in cls.__qualname__:
        raise JobLoadError(
            f"{cls.__qualname__} is defined within a function or a class, where a worker cannot "
            "find it; define it at the top of the file"
        )
    found = definition_of(cls.__name__, text)
    if found is None:
        return None
    if isinstance(found.node, ast.ClassDef):
        check_as_written(cls, found.node, cls.__name__)
    return Path(name).resolve()


def _functions(cls: type) -> Iterator[FunctionType]:
    """Yield the functions that the body of a class defines."""
    for each in vars(cls).values():
        held = getattr(each, "__func__", None) or getattr(each, "fget", None) or each
        inner = inspect.unwrap(held) if callable(held) else held
        if isinstance(inner, FunctionType) and inner.__code__.co_qualname.startswith(
            f"{cls.__qualname__}."
        ):
            yield inner


def _copy_files(cls: JobClass, namespace: Mapping[str, Any], folder: Path) -> None:
    """Copy the files that the jobs of a notebook name, from the current folder; raises as
    `find_job`.
    """
    here = Path.cwd().resolve()
    jobs = [each for each in namespace.values() if isinstance(each, type)]
    named = {name for each in (cls, *jobs) if issubclass(each, Job | Chain) for name in each.files}
    for name in sorted(named):
        source = (here / name).resolve()
        if not source.is_relative_to(here):
            raise JobLoadError(
                f"`files` holds {name!r}, which is not in the folder of the notebook, {here}; "
                "copy it there"
            )
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.is_file():
            shutil.copy2(source, target)
