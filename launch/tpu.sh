#!/usr/bin/env bash
# One job on all hosts of a Cloud TPU VM slice, from a machine with gcloud:
#   launch/tpu.sh [--setup | --stop] NAME ZONE [arguments of affectjax.main]
#
# Worked example: a v5e slice of four hosts, with a file share mounted at SHARE on each.
#   gcloud compute tpus tpu-vm create tam --zone=us-west4-a --accelerator-type=v5litepod-16 \
#     --version=v2-alpha-tpuv5-lite
#   launch/tpu.sh --setup tam us-west4-a
#   launch/tpu.sh tam us-west4-a --config=configs/tam_pretrain.py \
#     --config.data.dir=SHARE/data --workdir=SHARE/runs/tam
#
# --setup copies this project to every host and installs it there. jax finds coordinator and rank
# from the slice. The workdir must lie where every host sees it. A host that is told to stop (SIGTERM)
# makes all of them save and exit 75; they then start again together. --stop ends the job for good:
# it saves, and goes on when the same command is given again.
set -euo pipefail
cd "$(dirname "$0")/.."
act=run
case ${1:-} in --setup | --stop) act=${1#--}; shift ;; esac
if [ $# -lt 2 ] || [[ $1 == -* || $2 == -* ]]; then
  echo "usage: launch/tpu.sh [--setup | --stop] NAME ZONE [arguments of affectjax.main]" >&2
  exit 2
fi
name=$1 zone=$2
shift 2
everywhere() {
  gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all --command="$1"
}
if [ "$act" = stop ]; then
  # shellcheck disable=SC2016  # the hosts expand it
  everywhere 'cd affectjax && touch STOP && kill -TERM "$(cat PID)"'
  exit
fi
if [ "$act" = setup ]; then
  files=$(mktemp --suffix=.tar.gz)
  trap 'rm -f "$files"' EXIT
  git archive --format=tar.gz --output="$files" HEAD
  gcloud compute tpus tpu-vm scp "$files" "$name:affectjax.tar.gz" --zone="$zone" --worker=all
  everywhere 'mkdir -p affectjax && tar -xzf affectjax.tar.gz -C affectjax && cd affectjax &&
    . launch/environment.sh && make_environment tpu'
  exit
fi
words=''
for word in "$@"; do
  words+=" $(printf '%q' "$word")"
done
# shellcheck disable=SC2016  # the hosts expand it
everywhere 'cd affectjax && rm -f STOP && while :; do
  .venv/bin/python -m affectjax.main --cluster --start_timeout=900'"$words"' &
  echo $! >PID
  wait $!
  status=$?
  if [ $status -ne 75 ] || [ -e STOP ]; then exit $status; fi
  echo "to be continued"
done'
