"""The fault suite: real runs of the driver, each with one kind of fault. It shows that no fault
changes an answer.

    python -m tests.faults [--rounds N] [--only NAME] [--seed S] [--jobs N] [--json FILE]
    [--markdown FILE]

`kinds/` has the faults, one small class each; `docs/reliability.md` has the promises and the
measurements.
"""
