"""Runs on Apache Spark, which need PySpark and Java (`make spark`)."""
