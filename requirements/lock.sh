#!/usr/bin/env bash
# Write the pinned and hashed requirement files from pyproject.toml, one for each environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=.venv/bin/python
"$python" -m uv --version >/dev/null 2>&1 || "$python" -m pip install --quiet uv
compile=("$python" -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes
    --no-header --no-emit-index-url --no-annotate)
engine=(requirements/engine.in requirements/services.in)
driver=(requirements/driver.in requirements/terraform.in)
"${compile[@]}" "${engine[@]}" -o requirements/services.txt
"${compile[@]}" "${engine[@]}" "${driver[@]}" -o requirements/driver.txt
"${compile[@]}" "${engine[@]}" "${driver[@]}" --group dev -o requirements/dev.txt
"${compile[@]}" "${engine[@]}" "${driver[@]}" requirements/spark.in \
    -c requirements/dev.txt -o requirements/spark.txt
"${compile[@]}" requirements/engine.in requirements/driver.in \
    -c requirements/driver.txt -o requirements/driver_image.txt
"${compile[@]}" requirements/guard.in -c requirements/driver.txt -o requirements/guard.txt
"${compile[@]}" requirements/emulator.in -o requirements/emulator.txt
"${compile[@]}" requirements/moto.in -o requirements/moto.txt
"${compile[@]}" requirements/infrastructure.in -o requirements/infrastructure.txt
"${compile[@]}" requirements/bench.in -o requirements/bench.txt
"${compile[@]}" requirements/porting.in -o requirements/porting.txt
"${compile[@]}" requirements/docs.in -o requirements/docs.txt
"${compile[@]}" requirements/sbom.in -o requirements/sbom.txt
"${compile[@]}" requirements/mutation.in -c requirements/dev.txt -o requirements/mutation.txt
"${compile[@]}" requirements/browser.in -c requirements/dev.txt -o requirements/browser.txt
"${compile[@]}" requirements/notebook.in -c requirements/dev.txt -o requirements/notebook.txt
for needs in examples/{albums,parameter_server,serving/router,serving/model}/requirements; do
    "${compile[@]}" "$needs.in" requirements/services.in \
        -c requirements/services.txt -c requirements/driver.txt -o "$needs.txt"
done
"${compile[@]}" examples/*/requirements.in examples/*/*/requirements.in \
    requirements/services.in requirements/examples.in \
    -c requirements/dev.txt -o requirements/examples.txt
