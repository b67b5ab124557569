"""What the three services share: settings, requests, workers, logs, metrics, start and stop. It knows no stage."""
