"""The parts that the three services share: settings, HTTP, workers, logs, metrics, start and stop.

Knows no stage.
"""
