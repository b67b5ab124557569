"""The documentation agrees with the code."""

from __future__ import annotations

import inspect
import os
import re
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from docs import tour
from docs.generate import PAGES as GENERATED
from driver.cli import app as cli
from driver.cli.app import app
from driver.forecast.pricing import GUARD, ServiceSize, running_hour
from driver.plan import cut
from driver.scheduling.policy import BackupPolicy, RetryPolicy
from mapreduce import errors
from services.stage.settings import Settings
from tests.docs.blocks import RUNS, blocks, pages

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / "examples").rglob("*.md"),
    *ROOT.glob("*.md"),
    *DOCS.rglob("*.md"),
    *(ROOT / "terraform").glob("*.md"),
    *(ROOT / "books").glob("*.md"),
]
WRITTEN = [
    page
    for page in PAGES
    if page.relative_to(ROOT).as_posix()
    not in ("docs/benchmarks.md", *(f"docs/{name}" for name in GENERATED if "tour" not in name))
]
"""The pages that people write; the others are generated, or from measurements."""
LONGEST_LINE = 100


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", GENERATED)
def test_generated_pages_are_up_to_date(name: str) -> None:
    """A generated page equals the output of `make docs`."""
    assert GENERATED[name]() == (DOCS / name).read_text(encoding="utf-8")


def test_commands_in_the_docs_exist() -> None:
    """Every `python -m driver X` on a page is a command."""
    known = {name for name in app if not name.startswith("-")}
    shown = {
        found
        for path in PAGES
        for found in re.findall(r"python -m driver ([a-z]\w*)", path.read_text(encoding="utf-8"))
    }
    assert set() == shown - known


def test_make_targets_in_the_docs_exist() -> None:
    """Every `make X` in a command block is a target."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {
        found
        for path in PAGES
        for block in blocks(path.read_text(encoding="utf-8"))
        for found in re.findall(r"^make ([a-z0-9-]+)", block.text, re.MULTILINE)
    }
    assert set() == shown - targets


def test_parts_of_example_files_are_in_these_files() -> None:
    """A block that has a file of an example as its title holds parts of it, in order; `...` stands
    for what is left out.
    """
    wrong, found = [], 0
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8")):
            if not block.title.startswith("examples/"):
                continue
            found += 1
            text, at = f"\n{(ROOT / block.title).read_text(encoding='utf-8')}\n", 0
            for part in re.split(r"^\.\.\.$", block.text, flags=re.MULTILINE):
                lines = "\n" + part.strip("\n") + "\n"
                at = text.find(lines, at)
                if at < 0:
                    wrong.append(f"{_name(page)}:{block.line}: not in {block.title}: {part}")
                    break
                at += len(lines) - 1
    assert [] == wrong
    assert found >= 7


def test_links_lead_somewhere() -> None:
    """Every relative link leads to a file or folder, and its anchor to a heading."""
    broken = []
    for path in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(path)):
            name, _, anchor = target.partition("#")
            if "://" in target:
                continue
            file = Path(os.path.normpath(path.parent / name)) if name else path
            if not file.exists() or (
                anchor and file.suffix == ".md" and anchor not in _anchors(file)
            ):
                broken.append(f"{_name(path)}: {target}")
    assert [] == broken


def test_files_that_pages_name_exist() -> None:
    """Every path of the project in backticks exists."""
    folders = "driver|mapreduce|mapreduce_jobs|services|tests|bench|terraform|docs"
    gone = [
        f"{_name(path)}: {found}"
        for path in PAGES
        if path.name != "CHANGELOG.md" and path.parent.name != "books"
        for found in re.findall(rf"`((?:{folders})/[\w/.-]+\.\w+)`", path.read_text("utf-8"))
        if not (ROOT / found).exists() and ".auto." not in found
    ]
    assert [] == gone


def _without_code(path: Path) -> str:
    return re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def _anchors(path: Path) -> set[str]:
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.*)$", _without_code(path), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        number = 1
        while plain in found:
            plain, number = f"{plain}-{number}", number + 1
        found.add(plain)
    return found


def test_every_page_is_in_the_navigation_and_in_the_table_of_contents() -> None:
    """Every page is in the navigation and in the table of contents."""
    nav = tomllib.loads(_text("docs/zensical.toml"))["project"]["nav"]
    listed = set(_leaves(nav))
    contents = set(re.findall(r"\]\(([\w/.-]+\.md)\)", _text("docs/index.md")))
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).as_posix()
        if not name.startswith("decisions/0"):
            assert name in listed, name
            assert name == "index.md" or name in contents, name


def test_every_system_is_on_the_first_pages() -> None:
    """README.md, docs/index.md and the navigation lead to the page of each folder of examples/."""
    pages = [
        (folder.parent / "README.md").relative_to(ROOT).as_posix()
        for folder in (ROOT / "examples").glob("*/terraform")
    ]
    listed = set(_leaves(tomllib.loads(_text("docs/zensical.toml"))["project"]["nav"]))
    assert pages
    for page in pages:
        assert f"]({page})" in _text("README.md")
        assert f"](../{page})" in _text("docs/index.md")
        assert f"project/{page}" in listed


def _leaves(nav: Any) -> Iterator[str]:
    for each in nav:
        for target in each.values():
            if isinstance(target, str):
                yield target
            else:
                yield from _leaves(target)


def test_every_decision_is_listed() -> None:
    """The list of decisions has every decision."""
    index = _text("docs/decisions/README.md")
    assert [] == [
        page.name for page in sorted(DOCS.glob("decisions/0*.md")) if f"({page.name})" not in index
    ]


@pytest.mark.parametrize("page", WRITTEN, ids=_name)
def test_lines_are_short(page: Path) -> None:
    """A line of text has at most 100 columns, except in tables, code and links."""
    long = [
        f"{number}: {line}"
        for number, line in enumerate(_blank_code(page).split("\n"), start=1)
        if len(line) > LONGEST_LINE and not line.startswith(("|", "![", "<!--"))
    ]
    assert [] == long


def _blank_code(page: Path) -> str:
    def blank(found: re.Match[str]) -> str:
        return "\n" * found[0].count("\n")

    text = page.read_text(encoding="utf-8")
    return re.sub(r"^ *```.*?^ *```$", blank, text, flags=re.MULTILINE | re.DOTALL)


PLACEHOLDER = re.compile(
    r"\b(?:TODO|TBD|FIXME|XXX|[A-Z0-9_]+_(?:TABLE|FIGURES?))\b|<!-- (\w+)[^>]*-->\s*<!-- /\1 -->"
)


@pytest.mark.parametrize("text", ["FAULTS_TABLE", "<!-- faults, by make -->\n\n<!-- /faults -->"])
def test_no_page_waits_for_its_figures(text: str) -> None:
    """No page has a placeholder, or markers with nothing between them, such as this text."""
    assert PLACEHOLDER.search(text)
    found = [
        f"{_name(page)}: {each[0]}"
        for page in PAGES
        for each in PLACEHOLDER.finditer(page.read_text(encoding="utf-8"))
    ]
    assert [] == found


@pytest.mark.parametrize("page", pages(ROOT), ids=_name)
def test_every_block_is_run_or_has_a_reason(page: Path) -> None:
    """Every block is run by `make docs-test`, is output, or says why it is not run."""
    allowed = (*RUNS, "text")
    wrong = [
        f"line {block.line}: {block.language or 'no language'}"
        for block in blocks(page.read_text(encoding="utf-8"))
        if not (block.title or block.not_run or block.language in allowed)
    ]
    lines = _blank_code(page).split("\n")
    indented = [
        f"line {number}: indented"
        for number, (one, other) in enumerate(pairwise(lines), start=2)
        if not one.strip() and re.match(r"^ {4,}\S", other)
    ]
    assert [] == wrong + indented


def test_every_setting_of_a_service_is_documented() -> None:
    """The documented settings of a service are exactly the existing ones."""
    known = {f"MAPREDUCE_{name.upper()}" for name in Settings.model_fields}
    text = _text("docs/reference/services.md")
    assert known == set(re.findall(r"`(MAPREDUCE_[A-Z_]+)`", text))


def _error_classes() -> dict[str, type[errors.MapReduceError]]:
    return {
        name: thing
        for name, thing in vars(errors).items()
        if inspect.isclass(thing) and issubclass(thing, errors.MapReduceError)
    }


def test_every_error_is_on_its_page_with_its_exit_code() -> None:
    """Every error class is documented with its exit code."""
    rows = re.findall(r"^\| `(\w+)` \|.*?\| (\d+) \|", _text("docs/reference/errors.md"), re.M)
    known = {name: thing.exit_code for name, thing in _error_classes().items()}
    del known["MapReduceError"]
    assert known == {name: int(code) for name, code in rows}


def test_every_exit_code_is_documented() -> None:
    """The documented exit codes are those of the errors, of success and of Ctrl-C."""
    rows = re.findall(r"^\| (\d+) \|", _text("docs/reference/errors.md"), re.MULTILINE)
    codes = {cli.DONE, cli.INTERRUPTED, *(each.exit_code for each in _error_classes().values())}
    assert sorted(codes) == [int(code) for code in rows]


def test_ready_made_jobs_are_documented() -> None:
    """Every ready-made job is documented."""
    shown = re.findall(r"^\| \[(\w+)\]", _text("docs/reference/ready-made-jobs.md"), re.MULTILINE)
    files = {page.stem for page in (ROOT / "mapreduce_jobs").glob("[!_]*.py")}
    assert files == set(shown)


def _default_stack() -> list[ServiceSize]:
    blocks_of = _text("terraform/variables.tf").split('\nvariable "')
    variables = {
        block.partition('"')[0]: found[1]
        for block in blocks_of
        if (found := re.search(r"^  default\s*=\s*(\d+)$", block, re.MULTILINE))
    }
    sizes = [
        ServiceSize(
            count=int(variables[f"{role}_count"]),
            cpu=int(variables[f"{role}_cpu"]),
            memory=int(variables[f"{role}_memory"]),
        )
        for role in ("splitter", "mapper", "reducer")
    ]
    return [*sizes, GUARD] if int(variables["idle_stop_minutes"]) else sizes


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/aws.md"])
def test_the_price_of_the_default_stack_is_that_of_the_code(page: str) -> None:
    """The hourly price on a page follows from Terraform's defaults and the price list."""
    sizes = _default_stack()
    assert 6 == sum(each.count for each in sizes)
    assert f"${running_hour(sizes, 'X86_64'):.3f} an hour" in " ".join(_text(page).split())


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("docs/explanation/how-it-works.md", f"{cut.SHORTEST_SPLIT_BYTES >> 10} KiB"),
        ("docs/explanation/how-it-works.md", f"{cut.PARTITION_BYTES >> 30} GiB of input"),
        ("docs/explanation/how-it-works.md", f"{cut.COMBINED_BYTES >> 30} GiB of input"),
        ("docs/reliability.md", f"{RetryPolicy().heartbeat_timeout_s:.0f} seconds without"),
        ("docs/reliability.md", f"{RetryPolicy().stall_timeout_s / 60:.0f} minutes without"),
        ("docs/reliability.md", f"{RetryPolicy().no_endpoint_s / 60:.0f} minutes"),
        ("docs/reliability.md", f"{RetryPolicy().attempts} attempts"),
        ("docs/reliability.md", f"{RetryPolicy().breaker_failures} failures in a row"),
        ("docs/reliability.md", f"{BackupPolicy().slower:.0f} times the median"),
    ],
)
def test_numbers_are_those_of_the_code(page: str, sentence: str) -> None:
    """A limit on a page is the one in the code."""
    assert sentence in " ".join(_text(page).split())


def test_the_tour_is_short_and_its_places_exist() -> None:
    """The tour has at most 15 files and 1,500 lines, and its table has all places and the sum."""
    assert len({file for file, _ in tour.STOPS}) == len(tour.STOPS) <= tour.MOST_FILES
    assert tour.total() <= tour.MOST_LINES
    text = tour.TEXT.read_text(encoding="utf-8")
    numbers = re.findall(r"^\*\*(\d+)\. ", text, re.MULTILINE)
    assert [str(number + 1) for number in range(len(tour.STOPS))] == numbers
