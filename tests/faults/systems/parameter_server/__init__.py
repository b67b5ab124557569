"""The fault suite of the parameter server: every fault, rounds of runs, one SHA-256."""

from tests.faults.systems.parameter_server.suite import main, table

__all__ = ["main", "table"]
