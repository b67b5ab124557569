"""The audit of pinned dependencies, with the real pip-audit and a database on loopback.

The public database is asked by `make audit`, which CI runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from requirements import audit
from tests.e2e.processes import Shell

ROOT = Path(__file__).resolve().parents[2]
PINS = """xxhash==4.0.0 --hash=sha256:{0}
regex==2026.1.1 --hash=sha256:{0}
""".format("a" * 64)
FLAW = {
    "id": "PYSEC-2026-1",
    "summary": "invented",
    "affected": [
        {
            "package": {"name": "regex", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2026.2"}]}],
        }
    ],
}


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    """A file of two pinned packages."""
    if not audit.AUDITOR.is_file():
        pytest.skip("NOT CHECKED: pip-audit is missing; run: make .venv/infrastructure")
    file = tmp_path / "pins.txt"
    file.write_text(PINS)
    return file


@contextmanager
def _database(flawed: str) -> Iterator[str]:
    """Serve a database in OSV's format that knows a vulnerability of one package; yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = asked["package"]["name"] == flawed
            body = json.dumps({"vulns": [FLAW]} if known else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as its base class has it
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _use(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", url)


def test_a_known_vulnerability_is_a_failure(
    pins: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A known vulnerability gives exit code 1, also with --if-reachable, and a line with the
    package and the version that mends it.
    """
    with _database("regex") as url:
        _use(url, monkeypatch)
        assert 1 == audit.main([str(pins)])
        assert 1 == audit.main([str(pins), "--if-reachable"])
    said = capsys.readouterr().out
    assert "pins.txt: 2 packages, 1 known vulnerabilities" in said
    assert "regex 2026.1.1: PYSEC-2026-1, mended in 2026.2" in said


def test_packages_without_a_known_vulnerability_pass(
    pins: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the database answers and knows nothing, the exit code is 0."""
    with _database("another") as url:
        _use(url, monkeypatch)
        assert 0 == audit.main([str(pins)])
    assert "pins.txt: 2 packages, 0 known vulnerabilities" in capsys.readouterr().out


def test_an_unreachable_database_is_no_success(
    pins: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the database the exit code is 3, and 0 only where that was allowed; both say it."""
    _use("http://127.0.0.1:9/", monkeypatch)
    assert 3 == audit.main([str(pins)])
    assert "NOT CHECKED for known vulnerabilities: pins.txt;" in capsys.readouterr().err
    assert 0 == audit.main([str(pins), "--if-reachable"])
    assert "NOT CHECKED" in capsys.readouterr().err


def test_answers_of_the_database() -> None:
    """A vulnerability is reported; an answer that knows no package counts as not asked."""
    bad = {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
    good: dict[str, Any] = {"name": "b", "version": "1", "vulns": []}
    unknown = {"name": "c", "skip_reason": "not found"}
    found = audit.known([bad, good, unknown])
    assert ["a 1: CVE-1, mended in 2"] == audit.vulnerable(found)
    with pytest.raises(audit.NotAsked, match="of 1 packages none was found: not found"):
        audit.known([unknown])


def test_every_file_of_pins_is_audited() -> None:
    """`make audit` and the lock script know the same files: each has pins with hashes."""
    files = sorted(path.name for path in (ROOT / "requirements").glob("*.txt"))
    lock = (ROOT / "requirements" / "lock.sh").read_text()
    assert [name for name in files if f"-o requirements/{name}" not in lock] == []


def test_a_bill_names_all_packages_of_an_image(tmp_path: Path) -> None:
    """The bill of an image has Debian's installed packages, Python's packages and the base image's
    Python, follows CycloneDX's schema, and names the image.
    """
    python = ROOT / ".venv" / "sbom-env" / "bin" / "python"
    if not python.is_file():
        pytest.skip("NOT CHECKED: cyclonedx-bom is missing; run: make .venv/sbom")
    files = {
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n',
        "var/lib/dpkg/status": (
            "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\n"
            "Maintainer: Someone <a@b.c>\nVersion: 1:1.2.13\nDescription: text\n more text\n\n"
            "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\n"
            "Maintainer: Someone <a@b.c>\nVersion: 1\n"
        ),
        "app/venv/lib/python3.11/site-packages/a_b-1.0.dist-info/METADATA": (
            "Metadata-Version: 2.4\nName: A_b\nVersion: 1.0\nLicense-Expression: MIT\n\nName: no\n"
        ),
        "app/src/mapreduce/job.py": "x = 1\n",
    }
    for name, text in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shell = Shell(ROOT, {"PATH": "/usr/bin:/bin"}, tmp_path)
    shell.run("tar", "-C", tmp_path / "root", "-cf", tmp_path / "root.tar", ".")
    code = (
        "import sys; from pathlib import Path; from requirements import sbom\n"
        "variables = ['PYTHON_VERSION=3.11.9']\n"
        "image = sbom.Image('1.dkr.ecr/mapreduce/mapper:t', 'sha256:1', variables)\n"
        "bill = sbom.bill_of_image(image, open(sys.argv[1], 'rb'))\n"
        "sbom.write(bill, Path(sys.argv[2]))\n"
    )
    shell.run(python, "-c", code, tmp_path / "root.tar", tmp_path / "bill.json")
    bill = json.loads((tmp_path / "bill.json").read_text())
    assert "1.dkr.ecr/mapreduce/mapper:t" == bill["metadata"]["component"]["name"]
    assert {"pkg:deb/debian/zlib1g@1:1.2.13?arch=amd64", "pkg:pypi/a-b@1.0"} < {
        one.get("purl") for one in bill["components"]
    }
    assert ["A_b", "debian", "python", "zlib1g"] == sorted(x["name"] for x in bill["components"])


def test_a_bill_against_the_schema_is_not_written(tmp_path: Path) -> None:
    """A bill that does not follow the schema is an error, and no file."""
    python = ROOT / ".venv" / "sbom-env" / "bin" / "python"
    if not python.is_file():
        pytest.skip("NOT CHECKED: cyclonedx-bom is missing; run: make .venv/sbom")
    shell = Shell(ROOT, {"PATH": "/usr/bin:/bin"}, tmp_path)
    code = (
        "import sys; from pathlib import Path; from requirements import sbom\n"
        'bill = \'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{}]}\'\n'
        "try:\n    sbom.write(bill, Path(sys.argv[1]))\n"
        "except sbom.NoBill as exc:\n    print(exc)\n"
    )
    said = shell.run(python, "-c", code, tmp_path / "bill.json").out
    assert "does not follow CycloneDX's schema" in said
    assert not (tmp_path / "bill.json").exists()
