#!/usr/bin/env bash
# Install the test extra and run the quick tests; arguments go to pytest (-m slow runs the slow ones).
set -euo pipefail
cd "$(dirname "$0")/.."
. launch/environment.sh
make_environment test
exec "$VENV/bin/python" -m pytest "$@"
