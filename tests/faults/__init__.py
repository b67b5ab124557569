"""The fault suite: real runs of the driver, one kind of fault in each, and the proof that the
answer never changes.

    python -m tests.faults [--rounds N] [--only NAME] [--seed S] [--jobs N] [--json FILE]
    [--markdown FILE]

`kinds/` has the faults, one small class each; `docs/reliability.md` has what is promised and what
was measured.
"""
