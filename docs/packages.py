"""Draw and count the imports of the driver, from its source: `python -m docs.generate` writes the
pictures.

A node is a package of `driver/` (or a module, where one stands alone); an arrow is an import from
one node to another. A node's level is the length of the longest way down from it, so all arrows
lead down; nodes that import each other in a circle are drawn on one level.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEFORE = Path(__file__).with_name("explanation") / "packages-before.json"
LEFT_OUT = ("__init__", "__main__")
WIDTH, ROW, BOX, GAP = 1000, 62, 26, 8
TEXT = 'font-family="sans-serif" font-size="12"'

Imports = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Picture:
    """The nodes with the nodes that each imports, and how many modules they stand for."""

    imports: Imports
    modules: int

    @property
    def arrows(self) -> int:
        """How many pairs of nodes have an import."""
        return sum(len(each) for each in self.imports.values())

    @property
    def levels(self) -> dict[str, int]:
        """The level of each node, 0 at the bottom."""
        found: dict[str, int] = {}

        def level(node: str, above: tuple[str, ...] = ()) -> int:
            if node not in found:
                below = [each for each in self.imports[node] if each not in (*above, node)]
                found[node] = max((1 + level(each, (*above, node)) for each in below), default=0)
            return found[node]

        for node in self.imports:
            level(node)
        return found

    @property
    def floors(self) -> int:
        """How many levels there are."""
        return 1 + max(self.levels.values(), default=0)

    @property
    def back(self) -> tuple[tuple[str, str], ...]:
        """The arrows that do not lead down: none, where nothing imports in a circle."""
        levels = self.levels
        return tuple(
            (one, other)
            for one, others in self.imports.items()
            for other in others
            if levels[other] >= levels[one]
        )


def of_folder(folder: Path, *, packages: bool) -> Picture:
    """Return the imports within a folder, by package or by module."""
    files = [each for each in sorted(folder.rglob("*.py")) if each.stem not in LEFT_OUT]
    nodes: dict[str, set[str]] = {}
    for file in sorted(folder.rglob("*.py")):
        if (node := _node(file.relative_to(folder.parent), packages)) is None:
            continue
        others = nodes.setdefault(node, set())
        for name in _imported(file):
            parts = name.split(".")
            if parts[0] == folder.name and len(parts) > 1:
                others.add(parts[1] if packages else _module(folder, parts))
    known = {node: tuple(sorted(others & nodes.keys() - {node})) for node, others in nodes.items()}
    return Picture(known, len(files))


def _node(file: Path, packages: bool) -> str | None:
    inside = file.with_suffix("").parts[1:]
    if packages:
        return inside[0] if inside[0] not in LEFT_OUT else None
    return ".".join(inside) if inside[-1] not in LEFT_OUT else None


def _module(folder: Path, parts: list[str]) -> str:
    """Return the module that a dotted name is in: the longest part of it that is a file."""
    for end in range(len(parts), 1, -1):
        if folder.parent.joinpath(*parts[:end]).with_suffix(".py").is_file():
            return ".".join(parts[1:end])
    return ""


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def now() -> Picture:
    """Return the driver's packages as they are."""
    return of_folder(ROOT / "driver", packages=True)


def earlier() -> Picture:
    """Return the driver's modules as they were before they stood in packages."""
    kept = json.loads(BEFORE.read_text(encoding="utf-8"))
    return Picture({node: tuple(others) for node, others in kept.items()}, len(kept))


def before() -> str:
    """Draw the driver's modules as they were."""
    picture = earlier()
    return drawn(
        picture,
        f"Before: {len(picture.imports)} modules on {picture.floors} levels, "
        f"{picture.arrows} arrows",
    )


def after() -> str:
    """Draw the driver's packages as they are."""
    picture = now()
    return drawn(
        picture,
        f"Now: {picture.modules} modules in {len(picture.imports)} nodes on "
        f"{picture.floors} levels, {picture.arrows} arrows",
    )


def drawn(picture: Picture, title: str) -> str:
    """Return an SVG: a row for each level, a box for each node, a line for each arrow."""
    levels = picture.levels
    rows = [sorted(n for n, at in levels.items() if at == row) for row in range(picture.floors)]
    rows.reverse()
    places: dict[str, tuple[float, float, float]] = {}
    for number, row in enumerate(rows):
        width = min(150.0, (WIDTH - GAP) / len(row) - GAP)
        start = (WIDTH - len(row) * (width + GAP) + GAP) / 2
        for column, node in enumerate(row):
            places[node] = (start + column * (width + GAP), 40 + number * ROW, width)
    height = 40 + len(rows) * ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{GAP}" y="20" {TEXT} font-weight="bold">{escape(title)}</text>',
    ]
    for node, others in picture.imports.items():
        for other in others:
            (x1, y1, w1), (x2, y2, w2) = places[node], places[other]
            parts.append(
                f'<line x1="{x1 + w1 / 2:.0f}" y1="{y1 + BOX:.0f}" x2="{x2 + w2 / 2:.0f}" '
                f'y2="{y2:.0f}" stroke="#7a8ca3" stroke-width="0.8"/>'
            )
    for node, (x, y, width) in places.items():
        parts.append(
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX}" rx="4" '
            'fill="#e8eef7" stroke="#33507a"/>'
            f'<text x="{x + width / 2:.0f}" y="{y + 17:.0f}" text-anchor="middle" {TEXT} '
            f'textLength="{min(width - 6, 6.6 * len(node)):.0f}" '
            f'lengthAdjust="spacingAndGlyphs">{escape(node)}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def page() -> str:
    """Return the page with both pictures and the list of arrows."""
    old, new = earlier(), now()
    levels = new.levels
    names = sorted(new.imports, key=lambda node: (-levels[node], node))
    rows = "\n".join(
        f"| `{node}` | {levels[node]} | {_listed(new.imports[node])} |" for node in names
    )
    back = ", ".join(f"`{one}` to `{other}`" for one, other in new.back)
    return PAGE.format(
        old=len(old.imports),
        old_levels=old.floors,
        old_with_main=old.floors + 1,
        old_arrows=old.arrows,
        new=len(new.imports),
        modules=new.modules,
        levels=new.floors,
        arrows=new.arrows,
        back=f"Not so yet: {back}." if back else "No arrow leads back.",
        rows=rows,
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{each}`" for each in names) or "nothing of the driver"


PAGE = """\
<!-- Written by `make docs`; change docs/packages.py or the imports, not this page. -->

# Packages of the driver

The driver decides which task runs where and when. Its modules stand in packages, and imports
between packages lead one way. `python -m docs.generate` counts and draws both pictures from the
source, and a test fails when they are out of date.
[Decision 0047](../decisions/0047-packages-of-the-driver.md) gives the reasons for the layout.

## Before

{old} modules stood side by side in one folder, on {old_levels} levels ({old_with_main} with
`driver/__main__.py` on top), with {old_arrows} arrows.

![{old} modules of the driver on {old_levels} levels, with {old_arrows} arrows](packages-before.svg)

## Now

{modules} modules stand in {new} packages and modules on {levels} levels, with {arrows} arrows.
{back}

![{new} packages of the driver on {levels} levels, with {arrows} arrows](packages-after.svg)

## Every arrow

Level 0 is the bottom: a package there imports no other package of the driver.

| package | level | imports |
|---|---|---|
{rows}
"""
