"""Counts of the requests to a store, by the kinds of its price list.

Retries that a client makes by itself, after an error or a timeout, are not counted.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requests:
    """Counts of requests. Each part of a multipart write is a `put`, and so are its start and its
    end.
    """

    get: int = 0
    head: int = 0
    put: int = 0
    copy: int = 0
    list: int = 0
    delete: int = 0

    def __add__(self, other: Requests) -> Requests:
        return Requests(*map(int.__add__, self._counts, other._counts))

    def __sub__(self, other: Requests) -> Requests:
        return Requests(*map(int.__sub__, self._counts, other._counts))

    def __bool__(self) -> bool:
        return any(self._counts)

    @property
    def _counts(self) -> tuple[int, ...]:
        # not `astuple`, which copies deeply: this is added up at each request
        return self.get, self.head, self.put, self.copy, self.list, self.delete


class Tally:
    """Adds up the requests of several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = Requests()

    def add(self, requests: Requests) -> None:
        """Add requests."""
        with self._lock:
            self._requests += requests

    @property
    def requests(self) -> Requests:
        """All requests so far."""
        return self._requests
