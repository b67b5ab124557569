"""`python -m services.mapper`: serve until SIGTERM; the settings are MAPREDUCE_... variables."""

from services.stage.start import start

if __name__ == "__main__":
    start("mapper")
