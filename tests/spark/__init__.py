"""Runs on Apache Spark; they need PySpark and Java (`make spark`)."""
