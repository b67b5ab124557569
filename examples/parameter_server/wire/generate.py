"""Write the Python code of ps.proto: `python -m examples.parameter_server.wire.generate`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[2]
PROTO = "examples/parameter_server/wire/ps.proto"
MODULES = ("ps_pb2.py", "ps_pb2.pyi")


def generate(output: Path) -> None:
    """Write the modules below a folder, at their path in the project.

    Raises:
        RuntimeError: the compiler failed; it has said why.
    """
    from grpc_tools import protoc  # for developers only; images do without

    included = str(files("grpc_tools") / "_proto")
    arguments = [f"-I{ROOT}", f"-I{included}", f"--python_out={output}", f"--pyi_out={output}"]
    if protoc.main(["protoc", *arguments, PROTO]):
        raise RuntimeError(f"protoc failed on {PROTO}")


if __name__ == "__main__":
    generate(ROOT)
