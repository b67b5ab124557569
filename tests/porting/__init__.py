"""Thirty jobs ported from mrjob, Hadoop, textbooks and Spark, against independent answers."""
