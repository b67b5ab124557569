"""`python -m services.reducer`: serves until SIGTERM; the settings are MAPREDUCE_... variables."""

from services.reducer.app import create_app
from services.shell.serve import main

if __name__ == "__main__":
    main(create_app, "reducer")
