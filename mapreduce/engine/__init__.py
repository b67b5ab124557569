"""The stages as plain functions from a message to a result, without HTTP.

The services put them behind HTTP; the inline backend calls them in one process.
"""

from mapreduce.engine.context import Meter, TaskContext
from mapreduce.engine.ledger import Ledger, LedgerRow, balance
from mapreduce.engine.run import run_task

__all__ = ["Ledger", "LedgerRow", "Meter", "TaskContext", "balance", "run_task"]
