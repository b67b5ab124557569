"""The jobs that are measured, each in a file of its own, as a user writes them."""
