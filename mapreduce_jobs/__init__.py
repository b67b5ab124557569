"""Ready-made jobs, one file each, written only against `mapreduce`'s public names."""
