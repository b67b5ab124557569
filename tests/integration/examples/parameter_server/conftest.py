"""Pin what the bits depend on, before NumPy is imported."""

from examples.parameter_server.numerics import pin

pin()
