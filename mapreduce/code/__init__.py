"""A job's code: find it by name, read its imports, pack it, fetch it by digest, load it."""

from mapreduce.code.find import JobSource, find_job
from mapreduce.code.identity import CodeIdentity, identity_of
from mapreduce.code.load import (
    CodeLoader,
    JobClass,
    import_job,
    instance,
    is_importing,
    modules_loaded,
    own_modules_only_within,
)
from mapreduce.code.modules import Modules
from mapreduce.code.only_packed import only_packed
from mapreduce.code.packing import members_of, pack
from mapreduce.code.unpacking import unpack

__all__ = [
    "CodeIdentity",
    "CodeLoader",
    "JobClass",
    "JobSource",
    "Modules",
    "find_job",
    "identity_of",
    "import_job",
    "instance",
    "is_importing",
    "members_of",
    "modules_loaded",
    "only_packed",
    "own_modules_only_within",
    "pack",
    "unpack",
]
