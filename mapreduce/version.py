"""The version of the product: of the package, the services and the records of runs."""

VERSION = "0.2.0"
