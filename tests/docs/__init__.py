"""Run the blocks of the documentation as a reader does: `make docs-test`."""
