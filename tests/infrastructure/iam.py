"""IAM's decision over policies that only allow: actions, resources and conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Policy:
    """The statements of one policy; what none of them allows is denied."""

    statements: Sequence[Mapping[str, Any]]

    def allows(self, action: str, arn: str, context: Mapping[str, str] | None = None) -> bool:
        """Return whether the policy allows an action on a resource, as IAM decides it.

        Args:
            action: such as `s3:GetObject`.
            arn: of the resource; `*` for an action that knows no resource.
            context: the condition keys of the request.
        """
        assert all(statement["Effect"] == "Allow" for statement in self.statements)
        return any(
            any(_like(pattern.lower(), action.lower()) for pattern in _all(statement["Action"]))
            and any(_like(pattern, arn) for pattern in _all(statement["Resource"]))
            and _holds(statement.get("Condition", {}), context or {})
            for statement in self.statements
        )

    @property
    def actions(self) -> set[str]:
        """The actions and patterns of all statements."""
        return {action for statement in self.statements for action in _all(statement["Action"])}


def _all(value: str | Sequence[str]) -> Sequence[str]:
    return (value,) if isinstance(value, str) else value


def _like(pattern: str, text: str) -> bool:
    """Return whether a text is like IAM's pattern, whose `*` also stands for slashes."""
    words = (re.escape(word).replace(r"\?", ".") for word in pattern.split("*"))
    return re.fullmatch(".*".join(words), text, re.DOTALL) is not None


def _holds(
    condition: Mapping[str, Mapping[str, str | Sequence[str]]], context: Mapping[str, str]
) -> bool:
    """Return whether every key of every operator has one of its values."""
    compare = {
        "StringEquals": str.__eq__,
        "StringLike": _like,
        "ArnEquals": _like,  # IAM compares it as ArnLike
    }
    return all(
        name in context and any(compare[operator](value, context[name]) for value in _all(values))
        for operator, keys in condition.items()
        for name, values in keys.items()
    )
