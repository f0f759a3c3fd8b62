#!/usr/bin/env bash
# Write a JobSet that runs one job on many hosts, for `kubectl apply`; arguments after -- go to
# affectjax.main. The cluster needs the JobSet controller (jobset.sigs.k8s.io).
#
# Worked example: four hosts of eight GPUs each; the claim `work` is a volume that all hosts may
# write, with the dataset and the workdir on it.
#   launch/kubernetes.sh --name=tam --image=REGISTRY/affectjax --hosts=4 --gpus=8 --claim=work -- \
#     --config=configs/tam_pretrain.py --config.data.dir=/job/data --workdir=/job/runs/tam \
#     | kubectl apply -f -
#   kubectl logs -f -l jobset.sigs.k8s.io/jobset-name=tam --prefix
#
# The image holds this project in its working directory, installed for its `python`. For TPU node
# pools give --tpus=CHIPS instead of --gpus, and --select=LABEL=VALUE for each of the pool's labels.
# A preemption or a drained node sends SIGTERM: all processes save one step and exit 75, and the
# JobSet starts anew, however often that happens. Other failures start it anew --restarts times.
set -euo pipefail
name=affectjax image='' hosts=1 gpus=0 tpus=0 claim='' mount=/job restarts=3 grace=300 port=8476
select=()
fail() { echo "error: $1. See the first lines of $0." >&2; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    --name=*) name=${1#*=} ;;
    --image=*) image=${1#*=} ;;
    --hosts=*) hosts=${1#*=} ;;
    --gpus=*) gpus=${1#*=} ;;
    --tpus=*) tpus=${1#*=} ;;
    --claim=*) claim=${1#*=} ;;
    --mount=*) mount=${1#*=} ;;
    --restarts=*) restarts=${1#*=} ;;
    --grace=*) grace=${1#*=} ;;
    --port=*) port=${1#*=} ;;
    --select=?*=*) select+=("${1#*=}") ;;
    --) shift; break ;;
    *) fail "'$1' is unknown; the arguments of affectjax.main come after --" ;;
  esac
  shift
done
[ -n "$image" ] || fail "--image is missing"
[ -n "$claim" ] || fail "--claim is missing: checkpoints must outlive the pods"
[[ $name =~ ^[a-z]([-a-z0-9]{0,40}[a-z0-9])?$ ]] || fail "--name=$name is no name of a JobSet"
for number in "$hosts" "$gpus" "$tpus" "$restarts" "$grace" "$port"; do
  [[ $number =~ ^[0-9]+$ ]] || fail "'$number' is no number"
done
[ "$hosts" -gt 0 ] || fail "--hosts=$hosts is no job"

text() { printf "'%s'" "${1//\'/\'\'}"; }  # as a YAML scalar
device=''
[ "$gpus" -gt 0 ] && device="nvidia.com/gpu: $gpus"
[ "$tpus" -gt 0 ] && device="google.com/tpu: $tpus"

cat <<YAML
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata:
  name: $name
spec:
  network:
    enableDNSHostnames: true
  failurePolicy:
    maxRestarts: $restarts
    rules:
    - name: stoppedInGoodOrder
      action: RestartJobSetAndIgnoreMaxRestarts
      onJobFailureReasons: [PodFailurePolicy]
  replicatedJobs:
  - name: hosts
    replicas: 1
    template:
      spec:
        parallelism: $hosts
        completions: $hosts
        completionMode: Indexed
        backoffLimit: 0
        podFailurePolicy:
          rules:
          - action: FailJob
            onExitCodes: {containerName: main, operator: In, values: [75]}
          - action: FailJob
            onPodConditions: [{type: DisruptionTarget, status: 'True'}]
        template:
          spec:
            restartPolicy: Never
            terminationGracePeriodSeconds: $grace
YAML
if [ ${#select[@]} -gt 0 ]; then
  echo "            nodeSelector:"
  for pair in "${select[@]}"; do
    echo "              $(text "${pair%%=*}"): $(text "${pair#*=}")"
  done
fi
cat <<YAML
            volumes:
            - name: work
              persistentVolumeClaim: {claimName: $(text "$claim")}
            - name: memory
              emptyDir: {medium: Memory}
            containers:
            - name: main
              image: $(text "$image")
              env:
              - name: PROCESS
                valueFrom:
                  fieldRef:
                    fieldPath: metadata.annotations['batch.kubernetes.io/job-completion-index']
              command: [python, -m, affectjax.main]
              args:
              - --coordinator=$name-hosts-0-0.$name:$port
              - --processes=$hosts
              - --process=\$(PROCESS)
              - --start_timeout=900
              - $(text "--compile_cache=$mount/.compiled")
YAML
for word in "$@"; do
  echo "              - $(text "${word//\$(/\$\$(}")"
done
cat <<YAML
              volumeMounts:
              - {name: work, mountPath: $(text "$mount")}
              - {name: memory, mountPath: /dev/shm}
YAML
if [ -n "$device" ]; then
  cat <<YAML
              resources:
                limits: {$device}
YAML
fi
