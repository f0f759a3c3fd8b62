#!/usr/bin/env bash
# One job on many hosts under SLURM, submitted from the project's folder:
#   sbatch --nodes=4 --gpus-per-node=8 launch/slurm.sh --config=configs/tam_pretrain.py --workdir=DIR
# One process a node drives all its devices, cores and memory. SIGTERM comes three minutes before the
# time limit and at a preemption; the run then saves, exits 75, and is put back into the queue. The
# workdir must lie where every node sees it. PYTHON names the interpreter (.venv/bin/python).
#SBATCH --job-name=affectjax
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=TERM@180
#SBATCH --output=affectjax-%j.log
set -uo pipefail
cd "${SLURM_SUBMIT_DIR:?submit this script with sbatch}" || exit 2
PYTHON=${PYTHON:-.venv/bin/python}
if ! "$PYTHON" -c 'import affectjax' 2>/dev/null; then
  echo "error: $PYTHON cannot import affectjax. Submit from the project's folder, or set PYTHON." >&2
  exit 2
fi
echo "start ${SLURM_RESTART_COUNT:-0} of job $SLURM_JOB_ID on $SLURM_JOB_NODELIST"
# A process that fails ends the others; jax finds coordinator and rank from SLURM's variables.
srun --kill-on-bad-exit=1 "$PYTHON" -m affectjax.main --cluster "$@"
status=$?
if [ "$status" -eq 75 ]; then
  echo "to be continued: back into the queue"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
