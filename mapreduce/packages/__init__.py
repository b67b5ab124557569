"""The packages that a job requires: proven, unpacked, and imported in the job's own processes."""

from mapreduce.packages.cache import PackageCache, hold
from mapreduce.packages.document import Lock, PackageSet, Wheel, digest_of, platform_here
from mapreduce.packages.search import is_of_packages, packages_folder, use_one_thread, use_packages

__all__ = [
    "Lock",
    "PackageCache",
    "PackageSet",
    "Wheel",
    "digest_of",
    "hold",
    "is_of_packages",
    "packages_folder",
    "platform_here",
    "use_one_thread",
    "use_packages",
]
