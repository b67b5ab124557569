"""Proxies in front of an S3 server, one for each role, which answer as S3 does under its policy.

A denied request gets 403 AccessDenied, and so does the read of a missing object that the role may
not list: S3 answers 404 only to a role that may list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from tests.contract.recorder import Recording, Request, Verdict, recorded
from tests.policies.policy import Policy
from tests.policies.s3_actions import S3Request, is_allowed, may_know_missing


@contextmanager
def gates(behind: str, policies: Mapping[str, Policy]) -> Iterator[dict[str, Recording]]:
    """Run a proxy for each role until the end of the block; yield the recordings by role.

    Args:
        behind: the address of the S3 server.
        policies: the policy of each role; a role without statements is denied everything.
    """
    with ExitStack() as ends:
        found = {role: ends.enter_context(recorded(behind)) for role in policies}
        for role, policy in policies.items():
            found[role].judge = judged_by(policy)
        yield found


def judged_by(policy: Policy) -> Callable[[Request], Verdict]:
    """Return the judge of a policy."""

    def judge(request: Request) -> Verdict:
        asked = s3_request(request)
        if not is_allowed(policy, asked):
            return Verdict.DENIED
        if asked.reads_object and not may_know_missing(policy, asked):
            return Verdict.ALLOWED_IF_THERE
        return Verdict.ALLOWED

    return judge


def s3_request(request: Request) -> S3Request:
    """Return a recorded request as the evaluator takes it."""
    headers = {"x-amz-copy-source": request.source, "if-match": request.if_match}
    given = {name: value for name, value in headers.items() if value}
    return S3Request(request.method, request.target, given, request.deleted)
