#!/usr/bin/env bash
# Run N processes of one job on this machine: launch/processes.sh N [arguments of affectjax.main]
# Worked example, two processes of four simulated devices each:
#   DEVICES=4 launch/processes.sh 2 --config=configs/tam_pretrain.py --config.mesh.fsdp=2
# DEVICES: simulated devices of each process (1). PYTHON: the interpreter. PORT: the coordinator's.
# REQUEUE=1: start the job again when it ends with 75 and this script was not told to stop.
# Signals go to every process. Exit status: 0 when all are complete, 75 when the job is to be
# started again, else the first failure's; when one process fails, the others are ended.
set -uo pipefail
usage="usage: launch/processes.sh N [arguments of affectjax.main]"
n=${1:-}
[ $# -gt 0 ] && shift
words=("$@")
case $n in '' | *[!0-9]* | 0) echo "error: '$n' is no number of processes. $usage" >&2; exit 2 ;; esac
root=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
if [ -z "${PYTHON:-}" ]; then
  PYTHON=python3
  [ -x "$root/.venv/bin/python" ] && PYTHON=$root/.venv/bin/python
fi
port=${PORT:-$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')}

pids=()
for ((i = 0; i < n; i++)); do
  "$PYTHON" -m affectjax.main --coordinator="127.0.0.1:$port" --processes="$n" --process="$i" \
    --cpu_devices="${DEVICES:-1}" "$@" &
  pids+=($!)
done
told=
trap 'told=1; kill -TERM "${pids[@]}" 2>/dev/null' TERM
# Ctrl-C saves and stops, as SIGTERM does; a process that is still starting just ends.
trap 'told=1; kill -TERM "${pids[@]}" 2>/dev/null' INT

status=0
left=("${pids[@]}")
while ((${#left[@]})); do
  # Which of them ended is looked up afterwards: `wait -n` forgets those that ended in a trap.
  wait -n "${left[@]}" 2>/dev/null
  remaining=()
  failed=
  for pid in "${left[@]}"; do
    if kill -0 "$pid" 2>/dev/null; then
      remaining+=("$pid")
      continue
    fi
    wait "$pid"
    code=$?
    if ((code != 0 && code != 75)); then
      for ((i = 0; i < n; i++)); do
        ((pids[i] == pid)) && echo "process $i (pid $pid) ended with status $code" >&2
      done
      ((status == 0 || status == 75)) && status=$code
      failed=1
    elif ((code == 75 && status == 0)); then
      status=75
    fi
  done
  left=("${remaining[@]}")
  if [ -n "$failed" ] && ((${#left[@]})); then
    until=$((SECONDS + ${GRACE:-10}))
    while ((SECONDS < until)) && kill -0 "${left[@]}" 2>/dev/null; do sleep 0.2; done
    kill -KILL "${left[@]}" 2>/dev/null
  fi
done
if ((status == 75)) && [ -n "${REQUEUE:-}" ] && [ -z "$told" ]; then
  echo "to be continued: starting again" >&2
  exec "$0" "$n" "${words[@]}"
fi
exit "$status"
