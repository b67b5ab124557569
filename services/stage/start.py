"""Start a service from the command line; the rest is imported after the key has left the
environment.
"""

from __future__ import annotations

import sys
from importlib import import_module

from services.stage.signing_key import VARIABLE, KeyMissing, restart_without_key


def start(name: str) -> None:
    """Run a service with the environment's settings until it stops; on a wrong setting print it,
    exit 2.

    Args:
        name: the service's name, also of its package in `services`.
    """
    from mapreduce.wire.build import HASH_SEED

    try:
        restart_without_key(HASH_SEED)
    except KeyMissing as exc:
        sys.stderr.write(f"{VARIABLE}: {exc}\n")
        sys.exit(2)
    from services.stage.serve import main

    main(import_module(f"services.{name}.app").create_app, name)
