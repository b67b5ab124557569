"""`python -m services.splitter`: serve until SIGTERM; the settings are MAPREDUCE_... variables."""

from services.stage.start import start

if __name__ == "__main__":
    start("splitter")
