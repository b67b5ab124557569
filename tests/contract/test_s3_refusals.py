"""What commands say of an S3 that refuses, or is not there: cause and next step, in seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from driver.cli.app import exit_code
from tests.contract.emulator import Emulator

ANSWERS = {
    "expired": (400, "<Error><Code>ExpiredToken</Code></Error>"),
    "wrong-keys": (403, "<Error><Code>InvalidAccessKeyId</Code></Error>"),
    "elsewhere": (
        400,
        "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>",
    ),
    "denied": (403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"),
}
"""By bucket: the status and the body of each answer."""
LIMIT_S = 20.0


class _S3(BaseHTTPRequestHandler):
    """Refuses every request; as S3 does, an answer to a HEAD has no body."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, body = ANSWERS[self.path.split("/")[1].partition("?")[0]]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_HEAD = do_PUT = do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as its base class
        """Log nothing."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an input, without a stack, and without credentials."""
    (tmp_path / "in.txt").write_text("a b a\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAPREDUCE_TERRAFORM", str(tmp_path / "terraform"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def keys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in the environment."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.fixture
def refusing(keys: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An S3 that refuses."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _S3)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    yield
    server.shutdown()
    server.server_close()


def _commands(bucket: str) -> list[list[str]]:
    store = f"s3://{bucket}/x"
    return [
        ["run", "--input", f"{store}/in.txt", "--target", "inline"],
        ["run", "in.txt", "--store", store, "--target", "inline"],
        ["check", "word_count", f"{store}/in.txt"],
        *([name, "--store", store] for name in ("runs", "status", "verify", "audit", "result")),
    ]


def _said(command: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return the exit code of a command, and its only line of error."""
    capsys.readouterr()
    before = time.monotonic()
    code = exit_code(command)
    assert time.monotonic() - before < LIMIT_S, command
    (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith("error: ")]
    return code, line


@pytest.mark.parametrize(
    ("bucket", "cause", "step"),
    [
        ("expired", "credentials have expired", "aws sso login"),
        ("wrong-keys", "does not accept the credentials", "aws configure"),
        ("elsewhere", "in another region, eu-west-1", "export AWS_REGION=eu-west-1"),
        ("denied", "S3 denies access to s3://denied/", "these credentials may not use it"),
    ],
)
def test_every_command_says_why_s3_refuses(
    refusing: None, capsys: pytest.CaptureFixture[str], bucket: str, cause: str, step: str
) -> None:
    """Every command that opens a store or an input in S3 says the cause and the next step."""
    for command in _commands(bucket):
        code, line = _said(command, capsys)
        assert (1, True, True) == (code, cause in line, step in line), (command, line)


def test_a_bucket_that_does_not_exist_is_named(
    moto: Emulator, keys: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing bucket is named, with the command that makes it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint)
    for command in _commands("no-such-bucket"):
        code, line = _said(command, capsys)
        assert (1, True) == (code, "there is no bucket no-such-bucket" in line), (command, line)
        assert "aws s3 mb s3://no-such-bucket" in line


def test_an_address_where_nothing_answers(
    keys: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dead address ends a command in seconds, and is named."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for command in _commands("books")[:3:2]:
        code, line = _said(command, capsys)
        assert (1, True) == (code, "S3 cannot be reached at http://127.0.0.1:9" in line), line


def test_without_credentials_nothing_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without credentials every command ends at once, and says how to sign in."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for command in _commands("books"):
        code, line = _said(command, capsys)
        assert (3, True) == (code, "there are no AWS credentials" in line), (command, line)
        assert "aws sso login" in line
