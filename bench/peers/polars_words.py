"""Word count in Polars, streaming, on all cores."""

import sys

import polars as pl


def main(source: str, target: str) -> None:
    """Read each line as one column: the separator is a byte that no text contains."""
    lines = pl.scan_csv(
        source, has_header=False, separator="\x01", quote_char=None, schema={"line": pl.String}
    )
    words = lines.select(
        pl.col("line").str.to_lowercase().str.extract_all("[a-z']+").alias("word")
    ).explode("word")
    counts = words.drop_nulls().group_by("word").agg(pl.len()).collect(engine="streaming")
    counts.write_csv(target, include_header=False, separator="\t", quote_style="never")


main(*sys.argv[1:])
