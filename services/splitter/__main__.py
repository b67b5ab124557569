"""`python -m services.splitter`: serves until SIGTERM; the settings are MAPREDUCE_... variables."""

from services.shell.serve import main
from services.splitter.app import create_app

if __name__ == "__main__":
    main(create_app, "splitter")
