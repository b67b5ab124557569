"""Apache Spark as a target. Imported only for a run on it."""
