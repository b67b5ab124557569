"""Objects by URL, in a local folder or in S3, behind one interface."""

from mapreduce.storage.base import ObjectInfo, Storage, split_url
from mapreduce.storage.grants import Grants
from mapreduce.storage.requests import Requests
from mapreduce.storage.router import open_storage

__all__ = ["Grants", "ObjectInfo", "Requests", "Storage", "open_storage", "split_url"]
