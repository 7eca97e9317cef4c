#!/usr/bin/env bash
# A study over a SLURM array: task 0 begins the study, the others join as it exists.
#
#   STORAGE=postgresql+psycopg://user@host/losses sbatch tools/deploy/slurm.sh recipes/retinanet.py
#
# Without STORAGE the journal in the study's directory is used: it must be on a file system that all
# nodes share and that locks files (NFS 4 does).
#SBATCH --job-name=lossforge
#SBATCH --array=0-7
#SBATCH --cpus-per-task=4
#SBATCH --time=04:00:00
#SBATCH --requeue

set -euo pipefail
recipe=${1:?usage: sbatch slurm.sh RECIPE [DIRECTORY]}
study=${2:-studies/slurm-${SLURM_ARRAY_JOB_ID:-0}}
storage=(${STORAGE:+--storage "$STORAGE"})

if [ "${SLURM_ARRAY_TASK_ID:-0}" = 0 ]; then
  exec lossforge search "$recipe" --trials "${TRIALS:-200}" --jobs 1 --anyway \
    --directory "$study" "${storage[@]}"
fi
for _ in $(seq 60); do # until the study has begun: exit code 4 says that it has not
  code=0
  lossforge worker "$study" --jobs 1 "${storage[@]}" || code=$?
  [ "$code" = 4 ] || exit "$code"
  sleep 10
done
exit "$code"
