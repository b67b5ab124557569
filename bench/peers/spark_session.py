"""A Spark of this machine, with all its cores and without its web page."""

import os

from pyspark.sql import SparkSession


def spark_session() -> SparkSession:
    """As many partitions after a shuffle as cores, where Spark's default is 200: for one machine that is faster."""
    builder = SparkSession.builder.master("local[*]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config(
        "spark.driver.host", "127.0.0.1"
    )
    builder = builder.config("spark.driver.memory", "4g").config(
        "spark.sql.shuffle.partitions", str(os.cpu_count())
    )
    spark = builder.config("spark.log.level", "ERROR").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark
