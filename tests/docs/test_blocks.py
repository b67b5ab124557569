"""Every block of every page does what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import RUNS, blocks, pages
from tests.docs.carry_out import ROOT, problems, run_page

RUN = [
    page
    for page in pages(ROOT)
    if any(each.language in RUNS and not each.not_run for each in blocks(page.read_text()))
]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_blocks_of_a_page_do_what_it_says(page: Path, tmp_path: Path) -> None:
    """Each block runs, ends with the page's exit code and prints the page's lines."""
    wrong = [
        problem
        for done in run_page(page, tmp_path)
        for problem in problems(done, tmp_path / "mapreduce")
    ]
    assert wrong == [], "\n".join(wrong)
