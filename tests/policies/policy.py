"""Evaluate an identity-based policy as IAM does, in the subset that the task roles use.

Elements and condition operators outside of the subset raise `CannotEvaluate`: they are never
ignored, because an ignored condition would allow more than AWS does.

The rules are those of the IAM user guide: "Policy evaluation logic", "Resource", "NotResource",
"Condition operators" and "Multivalued context keys". tests/unit/policies holds its examples against
this file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

Decision = Literal["allowed", "implicitly denied", "explicitly denied"]
_ELEMENTS = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)


class CannotEvaluate(Exception):
    """The policy has an element that this evaluator does not know."""


@dataclass(frozen=True, slots=True)
class Access:
    """One action on one resource; a request needs one or several.

    Attributes:
        action: such as `s3:GetObject`.
        arn: of the resource.
        context: the request's condition keys.
    """

    action: str
    arn: str
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Policy:
    """The policies of one role; what no statement allows is denied."""

    statements: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, *documents: str) -> Policy:
        """Return the policy of JSON documents that apply together."""
        found: list[Mapping[str, Any]] = []
        for document in documents:
            given = json.loads(document)["Statement"]
            found += [given] if isinstance(given, dict) else given
        return cls(tuple(found))

    def decide(self, access: Access) -> Decision:
        """Return IAM's decision: a denial wins, and without a permission there is none."""
        effects = {each.effect for each in self._parsed if each.applies(access)}
        if "Deny" in effects:
            return "explicitly denied"
        return "allowed" if "Allow" in effects else "implicitly denied"

    def allows(self, action: str, arn: str, context: Mapping[str, str] | None = None) -> bool:
        """Return whether an action on a resource is allowed."""
        return self.decide(Access(action, arn, tuple((context or {}).items()))) == "allowed"

    @property
    def actions(self) -> set[str]:
        """The actions and patterns of all statements."""
        return {action for statement in self._parsed for action in statement.actions}

    @cached_property
    def _parsed(self) -> tuple[_Statement, ...]:
        return tuple(_Statement.of(each) for each in self.statements)


@dataclass(frozen=True, slots=True)
class _Statement:
    effect: str
    actions: tuple[str, ...]
    all_but_actions: bool
    resources: tuple[str, ...]
    all_but_resources: bool
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> _Statement:
        if unknown := given.keys() - _ELEMENTS:
            raise CannotEvaluate(f"elements {sorted(unknown)}")
        if given["Effect"] not in ("Allow", "Deny"):
            raise CannotEvaluate(f"Effect {given['Effect']!r}")
        action, resource = _which(given, "Action"), _which(given, "Resource")
        conditions = tuple(
            (operator, key, _texts(values))
            for operator, keys in given.get("Condition", {}).items()
            for key, values in keys.items()
        )
        for operator, _, _ in conditions:
            if operator.removesuffix("IfExists") not in _OPERATORS and operator != "Null":
                raise CannotEvaluate(f"the condition operator {operator}")
        return cls(
            given["Effect"],
            _texts(given[action]),
            action.startswith("Not"),
            _texts(given[resource]),
            resource.startswith("Not"),
            conditions,
        )

    def applies(self, access: Access) -> bool:
        """Return whether the statement is about this access."""
        named = any(_like(each.lower(), access.action.lower()) for each in self.actions)
        about = any(_like(each, access.arn) for each in self.resources)
        if named == self.all_but_actions or about == self.all_but_resources:
            return False
        context = {name.lower(): value for name, value in access.context}
        return all(_holds(*condition, context) for condition in self.conditions)


def _which(given: Mapping[str, Any], name: str) -> str:
    present = [each for each in (name, f"Not{name}") if each in given]
    if len(present) != 1:
        raise CannotEvaluate(f"{present or 'neither'} of {name} and Not{name}")
    return present[0]


def _texts(given: str | bool | Sequence[str]) -> tuple[str, ...]:
    """Return the values of an element, which may be one or a list."""
    values = [given] if isinstance(given, str | bool) else list(given)
    texts = tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
    if variables := [text for text in texts if "${" in text]:
        raise CannotEvaluate(f"policy variables in {variables}")
    return texts


def _holds(operator: str, key: str, values: tuple[str, ...], context: Mapping[str, str]) -> bool:
    """Return whether a condition holds: for any value; without the key, only if it is negated."""
    found = context.get(key.lower())
    if operator == "Null":
        return str(found is None).lower() in values
    plain = operator.removesuffix("IfExists")
    if found is None:
        return plain != operator or "Not" in plain
    matches, negated = _OPERATORS[plain]
    return any(matches(value, found) for value in values) != negated


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    words = (re.escape(word).replace(r"\?", ".") for word in text.split("*"))
    return re.compile(".*".join(words), re.DOTALL)


def _like(pattern: str, text: str) -> bool:
    """Return whether a text is like IAM's pattern, whose `*` also stands for slashes."""
    return _pattern(pattern).fullmatch(text) is not None


def _equal(value: str, found: str) -> bool:
    return value == found


def _equal_in_any_case(value: str, found: str) -> bool:
    return value.lower() == found.lower()


_OPERATORS = {
    "StringEquals": (_equal, False),
    "StringNotEquals": (_equal, True),
    "StringEqualsIgnoreCase": (_equal_in_any_case, False),
    "StringNotEqualsIgnoreCase": (_equal_in_any_case, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_like, False),  # IAM compares it as ArnLike
    "ArnLike": (_like, False),
    "Bool": (_equal_in_any_case, False),
}
