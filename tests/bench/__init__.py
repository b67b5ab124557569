"""Every case of the benchmark at a tiny size: right answers, no times."""
