"""One of H2O.ai's questions in Polars: `python -m bench.peers.polars_h2o INPUT OUTPUT QUESTION`."""

import json
import sys
import time

import polars as pl

from bench.peers.h2o_questions import COLUMNS

KINDS = {"VARCHAR": pl.String, "BIGINT": pl.Int64, "DOUBLE": pl.Float64}
V1, V2, V3 = pl.col("v1"), pl.col("v2"), pl.col("v3")
QUESTIONS = {
    1: (["id1"], [V1.sum()]),
    2: (["id1", "id2"], [V1.sum()]),
    3: (["id3"], [V1.sum(), V3.mean()]),
    4: (["id4"], [V1.mean(), V2.mean(), V3.mean()]),
    5: (["id6"], [V1.sum(), V2.sum(), V3.sum()]),
    6: (["id4", "id5"], [V3.median(), V3.std().alias("deviation")]),
    7: (["id3"], [(V1.max() - V2.min()).alias("range")]),
    8: (["id6"], [V3.top_k(2)]),
    9: (["id2", "id4"], [(pl.corr("v1", "v2") ** 2).alias("r2")]),
    10: (["id1", "id2", "id3", "id4", "id5", "id6"], [V3.sum(), pl.len()]),
}


def main(source: str, target: str, question: str) -> None:
    """Read, group and write, streaming where Polars can."""
    schema = {name: KINDS[kind] for name, kind in COLUMNS.items()}
    keys, values = QUESTIONS[int(question)]
    started = time.perf_counter()
    found = pl.scan_csv(source, schema=schema).group_by(keys).agg(values)
    if question == "8":
        found = found.explode("v3")
    found.collect(engine="streaming").write_csv(target, include_header=False)
    print(json.dumps({"inner_s": time.perf_counter() - started}))


main(*sys.argv[1:])
