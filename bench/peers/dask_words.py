"""Word count in a Dask bag, on all cores (its multiprocessing scheduler)."""

import json
import re
import sys
import time
from pathlib import Path

from dask import bag

BLOCK = "16MiB"


def found(line: str) -> list[str]:
    """Return the words of a line."""
    return re.findall("[a-z']+", line.lower())


def main(source: str, target: str) -> None:
    """Count with `frequencies`, as Dask's users do."""
    started = time.perf_counter()
    counts = (
        bag.read_text(source, blocksize=BLOCK)
        .map(found)
        .flatten()
        .frequencies()
        .compute(scheduler="processes")
    )
    Path(target).write_text("".join(f"{word}\t{count}\n" for word, count in counts))
    print(json.dumps({"inner_s": time.perf_counter() - started}))


if __name__ == "__main__":
    main(*sys.argv[1:])
