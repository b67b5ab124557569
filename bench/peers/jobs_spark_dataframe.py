"""The jobs with PySpark's DataFrame, on all cores: no Python code runs on the data, but for `udf`.

`python -m bench.peers.jobs_spark_dataframe INPUT OUTPUT JOB NAME=VALUE...`
"""

import json

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import LongType

from bench.peers.spark_timing import run_query

VISITS = "day STRING, country STRING, user STRING, cents BIGINT, note STRING"


def lines(spark: SparkSession, source: str) -> DataFrame:
    """Return the lines, in the column `value`."""
    return spark.read.text(source)


def words(spark: SparkSession, source: str) -> DataFrame:
    """Split at everything but letters and apostrophes; drop the empty word at an end of a line."""
    split = f.split(f.lower(f.col("value")), "[^a-z']+")
    found = lines(spark, source).select(f.explode(split).alias("word"))
    return found.where(f.col("word") != "").groupBy("word").count()


def query(spark: SparkSession, source: str, given: dict[str, str]) -> DataFrame:
    """Return a job's frame."""
    job = given["job"]
    if job == "word_count":
        return words(spark, source)
    if job == "top_k":
        return words(spark, source).orderBy(f.desc("count"), "word").limit(int(given["k"]))
    if job == "grep":
        return lines(spark, source).where(f.col("value").rlike(given["pattern"]))
    if job == "sort":
        return lines(spark, source).sort("value")
    if job == "distinct":
        return lines(spark, source).distinct()
    if job == "join":
        orders = spark.read.csv(
            f"{source}/orders.csv",
            schema="order BIGINT, customer BIGINT, cents BIGINT",
            header=True,
        )
        customers = spark.read.csv(
            f"{source}/customers.csv",
            schema="customer BIGINT, name STRING, country STRING",
            header=True,
        )
        joined = orders.join(customers, "customer")
        return joined.select("customer", "order", "cents", "name", "country")
    if job == "page_rank":
        return page_rank(spark, source, int(given["iterations"]))
    return group(spark, source, given)


def group(spark: SparkSession, source: str, given: dict[str, str]) -> DataFrame:
    """Return the sums; with how=udf the cents come from a Python function."""
    form, cents = given["format"], f.col("cents")
    if form == "csv":
        schema = VISITS.replace("cents BIGINT", "cents STRING") if "how" in given else VISITS
        visits = spark.read.csv(source, schema=schema, header=True)
    else:
        reader = spark.read.schema(VISITS)
        visits = reader.json(source) if form == "jsonl" else reader.parquet(source)
    if given.get("how") == "udf":
        cents = f.udf(int, LongType())(cents)
    return visits.groupBy(given["column"]).agg(f.sum(cents))


def page_rank(spark: SparkSession, source: str, iterations: int) -> DataFrame:
    """Keep the links in memory, and cut the plan of the ranks in each iteration."""
    split = f.split("value", "\t")
    nodes = lines(spark, source).select(
        split[0].alias("node"),
        f.when(split[1] != "", f.split(split[1], ",")).otherwise(f.array()).alias("targets"),
    )
    nodes = nodes.cache()
    count = nodes.count()
    ranks = nodes.select("node", f.lit(1 / count).alias("rank"))
    for _ in range(iterations):
        of_nodes = nodes.join(ranks, "node")
        lost = of_nodes.where(f.size("targets") == 0).agg(f.sum("rank")).first()[0] or 0.0
        rest = (0.15 + 0.85 * lost) / count
        shares = (
            of_nodes.select(
                f.explode("targets").alias("target"), (f.col("rank") / f.size("targets")).alias("s")
            )
            .groupBy("target")
            .agg(f.sum("s").alias("given"))
        )
        new = nodes.join(shares, nodes.node == shares.target, "left")
        rank = f.lit(rest) + 0.85 * f.coalesce("given", f.lit(0.0))
        ranks = new.select("node", rank.alias("rank")).localCheckpoint()
    return ranks


def k_means(spark: SparkSession, source: str, target: str, given: dict[str, str]) -> None:
    """Keep the points in memory; the few centres are literals of each iteration's plan."""
    points = spark.read.csv(source, schema="x DOUBLE, y DOUBLE, z DOUBLE").cache()
    centres = json.loads(given["centres"])
    rows = []
    for _ in range(int(given["iterations"])):
        distances = f.array(
            *(
                (f.col("x") - a) ** 2 + (f.col("y") - b) ** 2 + (f.col("z") - c) ** 2
                for a, b, c in centres
            )
        )
        nearest = (f.array_position(distances, f.array_min(distances)) - 1).alias("c")
        sums = points.select(nearest, "x", "y", "z").groupBy("c")
        rows = sums.agg(f.count("*"), f.avg("x"), f.avg("y"), f.avg("z")).collect()
        for number, _count, *centre in rows:
            centres[number] = centre
    answer = [(f"{c}\t{n}\t{' '.join(map(repr, centre))}",) for c, n, *centre in rows]
    spark.createDataFrame(answer, "value STRING").coalesce(1).write.text(target)


def main(spark: SparkSession, source: str, target: str, given: dict[str, str]) -> None:
    """Run one job, and write its answer as text, fields separated by tabs."""
    if given["job"] == "k_means":
        k_means(spark, source, target, given)
        return
    found = query(spark, source, given)
    if given["job"] == "top_k":
        found = found.coalesce(1)
    text = f.concat_ws("\t", *(f.col(name).cast("string") for name in found.columns))
    found.select(text.alias("value")).write.text(target)


run_query(main)
