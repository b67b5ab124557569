"""`python -m services.healthcheck`: exit 0 when the service of this container answers; for HEALTHCHECK and ECS."""

from __future__ import annotations

import json
import os
import sys
import urllib.request


def main() -> int:
    """0 when `/health` says ok, else 1."""
    port = os.environ.get("MAPREDUCE_PORT", "8080")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=3) as answer:
            return 0 if json.load(answer)["ok"] else 1
    except (OSError, ValueError, KeyError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
