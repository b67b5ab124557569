"""Where the services are: one file each kind of fleet."""

from driver.fleet.base import Endpoint, Fleet

__all__ = ["Endpoint", "Fleet"]
