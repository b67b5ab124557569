"""What this program needs of an operating system."""
