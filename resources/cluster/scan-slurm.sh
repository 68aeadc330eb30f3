#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Scans a checkpoint as a Slurm job array: every task takes one part.
#
#     sbatch --array=1-16 scan-slurm.sh FOLDER CHECKPOINT [options of loupe scan]
#
# A task that is preempted and queued again goes on where it was. When all are done:
#
#     loupe merge FOLDER/part-*.jsonl --json > scan.json
#
# which says what is missing, if anything is. Parts are numbered from 1 to the array's size.
#SBATCH --job-name=loupe-scan
#SBATCH --cpus-per-task=4
#SBATCH --mem=2G
#SBATCH --requeue
set -eu
[ $# -ge 2 ] || { echo "usage: sbatch --array=1-N $0 FOLDER CHECKPOINT [options]" >&2; exit 2; }
folder=$1
shift
mkdir -p "$folder"
# The time limit's SIGTERM ends a scan between two rows; what is finished is in the file.
exec "${LOUPE:-loupe}" scan "$@" --threads "${SLURM_CPUS_PER_TASK:-4}" --csv \
    --part "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
    --resume "$folder/part-$SLURM_ARRAY_TASK_ID.jsonl" > /dev/null
