"""The jobs in Polars, streaming where it can, on all cores:
`python -m bench.peers.jobs_polars INPUT OUTPUT JOB NAME=VALUE...`.
"""

import json
import sys
import time
from pathlib import Path

import polars as pl

SCANS = {"csv": pl.scan_csv, "jsonl": pl.scan_ndjson, "parquet": pl.scan_parquet}
AXES = ("x", "y", "z")


def lines(source: str) -> pl.LazyFrame:
    """Read each line as one column: the separator is a byte that no text contains."""
    return pl.scan_csv(
        source, has_header=False, separator="\x01", quote_char=None, schema={"line": pl.String}
    )


def words(source: str) -> pl.LazyFrame:
    """Return the count of each word."""
    found = lines(source).select(
        pl.col("line").str.to_lowercase().str.extract_all("[a-z']+").alias("word")
    )
    return found.explode("word").drop_nulls().group_by("word").agg(pl.len().alias("n"))


def query(job: str, source: str, given: dict[str, str]) -> pl.LazyFrame:
    """Return a job's frame."""
    if job == "word_count":
        return words(source)
    if job == "top_k":
        return words(source).sort(["n", "word"], descending=[True, False]).head(int(given["k"]))
    if job == "grep":
        return lines(source).filter(pl.col("line").str.contains(given["pattern"]))
    if job == "sort":
        return lines(source).sort("line")
    if job == "distinct":
        return lines(source).unique()
    if job == "join":
        orders = pl.scan_csv(f"{source}/orders.csv")
        customers = pl.scan_csv(f"{source}/customers.csv")
        return orders.join(customers, on="customer").select(
            "customer", "order", "cents", "name", "country"
        )
    return SCANS[given["format"]](source).group_by(given["column"]).agg(pl.col("cents").sum())


def k_means(source: str, target: str, given: dict[str, str]) -> None:
    """Assign all points to the nearest centre, and average them."""
    points = pl.read_csv(source, has_header=False, new_columns=list(AXES))
    centres = json.loads(given["centres"])
    for _ in range(int(given["iterations"])):
        distances = [
            sum((pl.col(axis) - value) ** 2 for axis, value in zip(AXES, centre, strict=True))
            for centre in centres
        ]
        means = [pl.col(axis).mean() for axis in AXES]
        found = (
            points.lazy()
            .with_columns(pl.concat_list(distances).list.arg_min().alias("c"))
            .group_by("c")
            .agg(pl.len().alias("n"), *means)
            .collect()
        )
        rows = sorted(found.iter_rows())
        for number, _count, *centre in rows:
            centres[number] = centre
    Path(target).write_text(
        "".join(f"{c}\t{n}\t{' '.join(map(repr, centre))}\n" for c, n, *centre in rows)
    )


def main(source: str, target: str, job: str, *options: str) -> None:
    """Run one job; its time begins after the import."""
    given = dict(option.split("=", 1) for option in options)
    started = time.perf_counter()
    if job == "k_means":
        k_means(source, target, given)
    else:
        frame = query(job, source, given).collect(engine="streaming")
        frame.write_csv(target, include_header=False, separator="\t", quote_style="never")
    print(json.dumps({"inner_s": time.perf_counter() - started}))


main(*sys.argv[1:])
