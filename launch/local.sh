#!/usr/bin/env bash
# From a bare machine to a trained model: environment, installation, pre-training on the sample.
# Arguments go to affectjax.main; EXTRAS=gpu or EXTRAS=tpu installs for an accelerator.
set -euo pipefail
cd "$(dirname "$0")/.."
. launch/environment.sh
make_environment "${EXTRAS:-}"
case " $* " in
  *" --config"[=\ ]*) ;;
  *) set -- --config=configs/tam_pretrain.py "$@" ;;
esac
exec "$VENV/bin/python" -m affectjax.main "$@"
