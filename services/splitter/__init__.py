"""The splitter: plans byte ranges over the inputs, or writes them as chunk files."""
