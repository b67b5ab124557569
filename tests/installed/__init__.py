"""The package as its users install it: `make installed`."""
