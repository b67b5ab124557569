"""The rows of a run's timeline: one for each slot of an endpoint. Pure."""

from __future__ import annotations

import math

from driver.report.model import SlotModel


class SlotRows:
    """Gives each attempt the first row of its endpoint that is free when it starts."""

    def __init__(self) -> None:
        self.rows: list[SlotModel] = []
        self._places: dict[SlotModel, int] = {}
        self._free_from: dict[str, list[float]] = {}  # for each slot of an endpoint

    def take(self, endpoint: str, started: float) -> int:
        """Return the row of an attempt that starts; it is taken until `free`."""
        free = self._free_from.setdefault(endpoint, [])
        number = next((n for n, since in enumerate(free) if since <= started), len(free))
        if number == len(free):
            free.append(started)
        free[number] = math.inf
        slot = SlotModel(endpoint=endpoint, number=number)
        if slot not in self._places:
            self._places[slot] = len(self.rows)
            self.rows.append(slot)
        return self._places[slot]

    def free(self, row: int, ended: float) -> None:
        """Note that the attempt of a row has ended."""
        slot = self.rows[row]
        self._free_from[slot.endpoint][slot.number] = ended
