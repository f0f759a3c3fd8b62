#!/usr/bin/env bash
# Install the test extra and run the quick tests, two files at a time; arguments go to pytest
# (-m slow -n 0 runs the slow ones, which want the machine to themselves).
set -euo pipefail
cd "$(dirname "$0")/.."
. launch/environment.sh
make_environment test
exec "$VENV/bin/python" -m pytest -n 2 --dist loadfile "$@"
