"""Apache Spark as a target. Imported only when it is asked for."""
