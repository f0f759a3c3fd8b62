# shellcheck shell=bash
# Sourced by the other scripts: a virtual environment in .venv with affectjax and the extras of $1.
# PYTHON names the interpreter, VENV another folder. A failure is make_environment's status, whether or
# not the caller ends at the first one.

find_python() {
  local name
  for name in ${PYTHON:-} python3.12 python3.11 python3 python3.13; do
    if command -v "$name" >/dev/null 2>&1 &&
      "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  echo "error: no Python 3.11 or newer with venv found. Install one, or set PYTHON to its path." >&2
  return 2
}

make_environment() {
  local extras=$1 python stamp wanted
  VENV=${VENV:-.venv}
  # One without pip was interrupted while it was made.
  if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python) || exit 2
    echo "making $VENV with $("$python" --version)"
    "$python" -m venv "$VENV" || return
  fi
  stamp="$VENV/.affectjax-$extras"
  wanted="$PWD $(cksum <pyproject.toml)"
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "a few minutes: installing affectjax${extras:+ with the extra $extras}"
    # compat: the clone's folder, seen from beside it, must not shadow the package.
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
      --config-settings editable_mode=compat --editable ".${extras:+[$extras]}" || return
    echo "$wanted" >"$stamp"
  fi
}
