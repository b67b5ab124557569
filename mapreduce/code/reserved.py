"""Module names that a job's folder cannot provide: those of Python, this program and its libraries.

A module beside a job is found first, except under these names. Otherwise a file `xml.py` or a copy
of `pydantic` beside a job would replace a module that the driver or a worker needs.
"""

from __future__ import annotations

import sys

PROGRAM = frozenset(("mapreduce", "services", "driver", "__main__"))
LIBRARIES = frozenset(
    (
        "_cffi_backend _duckdb _xxhash adbc_driver_duckdb annotated_doc annotated_types anyio "
        "attr attrs backports boto3 botocore certifi cffi click cryptography cyclopts dateutil "
        "docstring_parser dotenv duckdb fastapi fsspec h11 httpcore httpx idna jinja2 jmespath "
        "jwt markdown_it markupsafe mdurl msgspec nanoarrow obstore opentelemetry "
        "prometheus_client pycparser pydantic pydantic_core pydantic_settings pygments "
        "python_terraform regex rich rich_rst s3transfer six sniffio starlette structlog "
        "typing_extensions typing_inspection urllib3 uvicorn xxhash"
    ).split()
)
"""The import names in requirements/driver.txt and requirements/services.txt; a test compares them.
"""


def is_reserved(name: str) -> bool:
    """Return whether a job cannot provide a top-level module of this name."""
    return name in sys.stdlib_module_names or name in PROGRAM or name in LIBRARIES
