"""What lies beside a job is found, or refused, the same way inline and by services."""

from __future__ import annotations

import pytest

from tests.integration.commands import Driver

HEAD = """
import importlib
from importlib import resources
from pathlib import Path
import parts
from mapreduce import Count, Job

class Mine(Job):
    reduce = Count()
    name: str = ""
    files = ["named.txt"]
    def map(self, key, value):
        yield {look}, 1
"""
LOOKS = {
    "a named file": ('self.path("named.txt").read_text()', ""),
    "a named file by __file__": ('Path(__file__).with_name("named.txt").read_text()', ""),
    "a literal import": ('importlib.import_module("parts.dynamic").NAME', ""),
    "a computed import": (
        'importlib.import_module("parts." + "other").NAME',
        "`import parts.other`",
    ),
    "a file by __file__": ('Path(__file__).with_name("data.txt").read_text()', "`files`"),
    "a resource": ('resources.files(parts).joinpath("table.txt").read_text()', "`files`"),
    "a path of this machine": ("self.path(self.name).read_text()", "only files beside the job"),
    "a file that does not travel": ('self.path("data.txt").read_text()', "`files"),
}


@pytest.mark.parametrize("look", LOOKS)
def test_inline_forgives_nothing_that_services_refuse(driver: Driver, look: str) -> None:
    """Each way to reach a file or a module ends alike on both targets."""
    code, said = LOOKS[look]
    (driver.folder / "in.txt").write_text("one\n")
    (driver.folder / "parts").mkdir()
    for name, text in (
        ("mine.py", HEAD.format(look=code)),
        ("parts/__init__.py", ""),
        ("parts/dynamic.py", 'NAME = "found"\n'),
        ("parts/other.py", 'NAME = "found"\n'),
        ("parts/table.txt", "found"),
        ("data.txt", "found"),
        ("named.txt", "found"),
    ):
        (driver.folder / name).write_text(text)
    place = driver.folder / "data.txt"
    command = ("run", "in.txt", "--job", "mine.py", "--param", f"name={place}", "--json")
    for target in ("inline", "local"):
        ended = driver.run(*command, "--target", target)
        assert (1 if said else 0) == ended.code, (target, ended.err)
        if said:
            assert said in ended.err, (target, ended.err)
        else:
            assert [["found", 1]] == ended.document["top"]
