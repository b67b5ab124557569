"""Make the pictures of the docs from real runs: `make pictures`; tests say when they are old.

The terminal's picture is drawn from its text, `terminal.ansi`, which a test compares with that of a
run now. The pictures of pages are old when what they are made of has changed: its digest is kept in
`pictures.json`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
DIGESTS = PICTURES / "pictures.json"
COLUMNS = 100
TERMINAL_RUN = ("run", "books/alice.txt", "--top", "5")
"""The command in the picture of the terminal."""
PAGE_RUN = (
    *("run", "--input", "books/alice.txt", "--chunk-size", "8KiB", "--reducers", "3"),
    *("--mappers", "4", "--chaos", "error=0.15,slow=0.1", "--chaos-seed", "5"),
)
"""The run in the pictures of a page: small, with some injected faults."""
PAGE_SOURCES = ("driver/report/templates/page", "driver/report/templates/palette.css")
WEB_SOURCES = ("driver/web/templates", "driver/web/static/web.css", *PAGE_SOURCES[1:])
PAGES = {
    "page-light.png": PAGE_SOURCES,
    "page-dark.png": PAGE_SOURCES,
    "web-light.png": WEB_SOURCES,
}
"""The pictures of pages, and what each is made of."""
PAGE_HEIGHT = 1150
HOME = "/home/you/mapreduce"
HOME_STORE = f"{HOME}/.mapreduce"
RENAME = """([here, shown]) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    texts.currentNode.data = texts.currentNode.data.replaceAll(here, shown);
  }
}"""
"""Shows the paths of the docs in place of those of this machine."""
FONT_FACE = re.compile(r"@font-face \{\{?.*?\}\}?", re.DOTALL)
ESCAPE = re.compile(r"\x1b\[(\?)?([\d;]*)([A-Za-z])")


def digest(sources: tuple[str, ...]) -> str:
    """Return the digest of files, and of all files in folders."""
    found = hashlib.sha256(" ".join(PAGE_RUN).encode())
    for source in sources:
        path = ROOT / source
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found.update(file.read_bytes())
    return found.hexdigest()


def terminal_text(output: str) -> str:
    """Return what a terminal shows after some output: lines with the escape codes of colours."""
    lines, row, at = [""], 0, 0

    def write(text: str) -> None:
        nonlocal row
        for number, part in enumerate(text.replace("\r", "").split("\n")):
            row += number > 0
            lines.extend([""] * (row + 1 - len(lines)))
            lines[row] += part

    for found in ESCAPE.finditer(output):
        write(output[at : found.start()])
        at = found.end()
        if found[3] == "m":
            write(found[0])
        elif found[3] == "K":
            lines[row] = ""
        elif found[3] == "A":
            row = max(0, row - int(found[2] or 1))
    write(output[at:])
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"


def terminal_svg(ansi: str) -> str:
    """Return the picture of a terminal's text, which loads no font."""
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor")
    command = " ".join(("python -m driver", *TERMINAL_RUN))
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(ansi))
    form = FONT_FACE.sub("", CONSOLE_SVG_FORMAT)
    svg = console.export_svg(title="", code_format=form, unique_id="terminal")
    return re.sub(r"[ \t]+\n", "\n", svg)


def run_in_a_terminal(arguments: tuple[str, ...], store: str) -> str:
    """Run a command of the driver in a terminal of its own; return all that it has printed."""
    command = [sys.executable, "-m", "driver", *arguments]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.environ.update({"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"})
        os.environ["MAPREDUCE_STORE"] = store
        os.execv(sys.executable, command)
    pieces = []
    try:
        while piece := os.read(terminal, 1 << 16):
            pieces.append(piece)
    except OSError:  # the terminal is closed when the program has ended
        pass
    finally:
        os.close(terminal)
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(b"".join(pieces).decode())
    return b"".join(pieces).decode()


def terminal_now() -> str:
    """Return what a terminal shows after the run, with the paths of the docs."""
    with tempfile.TemporaryDirectory() as folder:
        output = run_in_a_terminal(TERMINAL_RUN, f"file://{folder}")
    text = terminal_text(output).replace(folder, HOME_STORE)
    return text.replace(str(ROOT), HOME)


@contextmanager
def _web(store: str, state: str) -> Iterator[str]:
    """Serve the live pages of a store; return the address of the first one."""
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "driver", "web", "--no-open"),
            *("--store", store, "--port", "0"),
        ],
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": state},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=10)


def page_pictures(browser: Any) -> None:
    """Make the pictures of a run's page, and of the list of runs."""
    from driver.targets.prepare import open_runs
    from tests.browser.chromium import SCHEMES, opened

    with tempfile.TemporaryDirectory() as folder:
        store = f"file://{folder}/store"
        for _ in range(3):
            run_in_a_terminal(TERMINAL_RUN, store)
        run_in_a_terminal(PAGE_RUN, store)
        runs = open_runs(store)
        page = (Path(folder) / "store" / "runs" / runs.resolve(None) / "report.html").as_uri()
        for scheme in SCHEMES:
            with opened(browser, page, width=1000, scheme=scheme) as seen:
                seen.page.evaluate(RENAME, [f"{folder}/store", HOME_STORE])
                _keep(seen.page, f"page-{scheme}.png", PAGE_HEIGHT)
        with _web(store, folder) as url, opened(browser, url, width=1000) as seen:
            seen.page.wait_for_selector("#list")
            seen.page.evaluate(RENAME, [f"{folder}/store", HOME_STORE])
            _keep(seen.page, "web-light.png", 520)


def _keep(page: Any, name: str, height: int) -> None:
    clip = {"x": 0, "y": 0, "width": 1000, "height": height}
    page.screenshot(path=PICTURES / name, full_page=True, clip=clip)


def main() -> None:
    """Make all pictures."""
    from tests.browser.chromium import running

    PICTURES.mkdir(exist_ok=True)
    ansi = terminal_now()
    (PICTURES / "terminal.ansi").write_text(ansi, encoding="utf-8")
    (PICTURES / "terminal.svg").write_text(terminal_svg(ansi), encoding="utf-8")
    with running() as browser:
        page_pictures(browser)
    digests = {name: digest(sources) for name, sources in PAGES.items()}
    DIGESTS.write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
