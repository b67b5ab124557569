"""Module names that a job's folder cannot provide: they belong to Python, to this program, or to its libraries.

A module that a job has beside it is found first, except under these names. Otherwise a file `xml.py` or a copy of
`pydantic` beside a job would replace the module that the driver or a worker runs on.
"""

from __future__ import annotations

import sys

PROGRAM = frozenset(("mapreduce", "services", "driver", "__main__"))
LIBRARIES = frozenset(
    (
        *("_duckdb", "_xxhash", "adbc_driver_duckdb", "annotated_doc", "annotated_types", "anyio"),
        *("attr", "attrs", "backports", "boto3", "botocore", "certifi", "click", "cyclopts"),
        *(
            "dateutil",
            "docstring_parser",
            "dotenv",
            "duckdb",
            "fastapi",
            "fsspec",
            "h11",
            "httpcore",
        ),
        *("httpx", "idna", "jmespath", "jwt", "markdown_it", "mdurl", "msgspec", "nanoarrow"),
        *("obstore", "opentelemetry", "prometheus_client", "pydantic", "pydantic_core"),
        *("pydantic_settings", "pygments", "python_terraform", "regex", "rich", "rich_rst"),
        *("s3transfer", "six", "sniffio", "starlette", "structlog", "typing_extensions"),
        *("typing_inspection", "urllib3", "uvicorn", "xxhash"),
    )
)
"""The import names of what requirements/driver.txt and requirements/services.txt install; a test compares them."""


def is_reserved(name: str) -> bool:
    """Return whether a top-level module name cannot be a job's own."""
    return name in sys.stdlib_module_names or name in PROGRAM or name in LIBRARIES
