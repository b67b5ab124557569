"""A job class that lives in no file: of a notebook's cell, a REPL, or `python -c`."""
