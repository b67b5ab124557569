"""Tracebacks lead from a gathered file to the cells."""

from __future__ import annotations

from driver.plan.origins import Origin, at_origins

ORIGINS = (
    Origin(first=3, last=5, file="Cell In[2]", line=1),
    Origin(first=8, last=9, file="Cell In[7]", line=10),
)


def test_lines_lead_to_their_cells() -> None:
    """A line within an origin leads to its cell; others, and other files, stay."""
    text = "\n".join(f'  File "/a/b.py", line {number}, in map' for number in (1, 4, 9))
    other = '  File "/a/c.py", line 4, in map'
    assert (
        '  File "/a/b.py", line 1, in map\n'
        '  File "Cell In[2]", line 2, in map\n'
        '  File "Cell In[7]", line 11, in map\n' + other
    ) == at_origins(f"{text}\n{other}", "/a/b.py", ORIGINS)
    assert text == at_origins(text, "/a/b.py", ())
