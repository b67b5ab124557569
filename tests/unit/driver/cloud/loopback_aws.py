"""S3, STS and ECS on loopback, which answer as AWS does when the token of a request has expired.

Only what the driver asks for in these tests: no signature is checked, only whose key it is.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

ACCOUNTS = {"AKIAOLD": "1", "AKIANEW": "1", "AKIATHIRD": "1", "AKIAROLE": "1", "AKIAOTHER": "2"}
"""The accounts of the access keys."""


class LoopbackAws:
    """The state of the server.

    Attributes:
        expired: access keys whose tokens have expired.
        objects: the bodies in S3, by path.
        regions: the regions of buckets that are not in that of the request.
        keys: the KMS keys of encrypted objects, by path.
        closed: buckets that no credentials may read.
        modified: when they were written, if it matters.
        asked: the requests: access key, method, and path or action.
    """

    def __init__(self) -> None:
        self.expired: set[str] = set()
        self.objects: dict[str, bytes] = {}
        self.regions: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.closed: set[str] = set()
        self.modified: dict[str, float] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.endpoint = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    aws: LoopbackAws

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        signed = self.headers.get("authorization", "")
        found = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", signed)
        key, scope = found.groups() if found else ("", "")
        url = urlsplit(self.path)
        target = self.headers.get("x-amz-target", "")
        service = "ecs" if target else "sts" if b"GetCallerIdentity" in body else "s3"
        self.aws.asked.append((key, self.command, target or unquote(url.path)))
        if key in self.aws.expired or key not in ACCOUNTS:
            self._refuse(service)
        elif service == "ecs":
            self._send(200, json.dumps({"taskArns": [], "tasks": []}).encode())
        elif service == "sts":
            who = f"<Account>{ACCOUNTS[key]}</Account><Arn>arn:aws:iam::1:user/me</Arn>"
            result = f"<GetCallerIdentityResult>{who}</GetCallerIdentityResult>"
            xml = "https://sts.amazonaws.com/doc/2011-06-15/"
            response = f'<GetCallerIdentityResponse xmlns="{xml}">{result}'
            self._send(200, f"{response}</GetCallerIdentityResponse>".encode())
        elif (region := self.aws.regions.get(url.path.split("/")[1])) and region != scope:
            self._send(301, b"", {"x-amz-bucket-region": region})
        elif url.path.split("/")[1] in self.aws.closed:
            self._send(403, b"", {"x-amz-bucket-region": scope})
        elif self.command == "HEAD" and url.path.count("/") == 1:
            self._send(200, b"", {"x-amz-bucket-region": scope})
        else:
            self._s3(unquote(url.path), parse_qs(url.query), body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer

    def _refuse(self, service: str) -> None:
        if service == "ecs":
            kind = {"__type": "ExpiredTokenException", "message": "The security token is expired"}
            self._send(400, json.dumps(kind).encode())
        elif service == "sts":
            error = (
                "<Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>x</Message></Error>"
            )
            self._send(403, f"<ErrorResponse>{error}</ErrorResponse>".encode())
        else:
            xml = (
                "<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>"
            )
            self._send(400, b"" if self.command == "HEAD" else xml.encode())

    def _s3(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        objects = self.aws.objects
        if self.command == "PUT":
            if self.headers.get("if-none-match") == "*" and path in objects:
                self._send(412, b"<Error><Code>PreconditionFailed</Code></Error>")
                return
            source = self.headers.get("x-amz-copy-source")
            objects[path] = objects["/" + unquote(source).lstrip("/")] if source else body
            etag = _etag(objects[path])
            copied = f"<CopyObjectResult><ETag>{etag}</ETag></CopyObjectResult>".encode()
            self._send(200, copied if source else b"", {"ETag": etag})
        elif "list-type" in query:
            prefix = query.get("prefix", [""])[0]
            root = path.rstrip("/") + "/"
            if "delimiter" in query:
                self._send_folders(root, prefix)
                return
            found = "".join(
                f"<Contents><Key>{name.removeprefix(root)}</Key><Size>{len(data)}</Size>"
                f"<LastModified>{self._written(name)}</LastModified>"
                f"<ETag>{_etag(data)}</ETag></Contents>"
                for name, data in sorted(objects.items())
                if name.startswith(root + prefix)
            )
            result = f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}"
            self._send(200, f"{result}</ListBucketResult>".encode())
        elif self.command == "POST":  # DeleteObjects
            names = re.findall(r"<Key>(.*?)</Key>", body.decode())
            for name in names:
                objects.pop(f"{path.rstrip('/')}/{name}", None)
            gone = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
            self._send(200, f"<DeleteResult>{gone}</DeleteResult>".encode())
        elif path not in objects:
            self._send(
                404, b"" if self.command == "HEAD" else b"<Error><Code>NoSuchKey</Code></Error>"
            )
        else:
            self._send_object(path, objects[path])

    def _send_folders(self, root: str, prefix: str) -> None:
        below = (name.removeprefix(root + prefix) for name in self.aws.objects)
        found = sorted({name.partition("/")[0] for name in below if "/" in name.strip("/")})
        folders = "".join(
            f"<CommonPrefixes><Prefix>{prefix}{name}/</Prefix></CommonPrefixes>"
            for name in found
            if name
        )
        result = f"<ListBucketResult><IsTruncated>false</IsTruncated>{folders}"
        self._send(200, f"{result}</ListBucketResult>".encode())

    def _written(self, name: str) -> str:
        at = datetime.fromtimestamp(self.aws.modified.get(name, 1_767_225_600.0), UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def _send_object(self, path: str, data: bytes) -> None:
        kms = {"x-amz-server-side-encryption-aws-kms-key-id": self.aws.keys.get(path, "")}
        headers = {
            **(kms if path in self.aws.keys else {}),
            "ETag": _etag(data),
            "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
        }
        status = 200
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", "")):
            first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            status, data = 206, data[first : last + 1]
        self._send(status, data, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/xml" if body[:1] == b"<" else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


@contextmanager
def running_loopback_aws() -> Iterator[LoopbackAws]:
    """Serve until the end of the block."""
    aws = LoopbackAws()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"aws": aws}))
    server.daemon_threads = True
    aws.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield aws
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
