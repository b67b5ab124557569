"""The measured jobs, one file each, written as a user writes them."""
