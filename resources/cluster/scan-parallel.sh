#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Scans a checkpoint in parts with GNU parallel, on this machine or on several, and joins them.
#
#     scan-parallel.sh PARTS FOLDER CHECKPOINT [options of loupe scan]
#
# FOLDER keeps a file of rows for each part: run the same line again after an interruption, and only
# what is missing is computed. Every part reads only its own tensors. With machines of their own,
# which see CHECKPOINT and FOLDER under the same paths, set PARALLEL, for example
# PARALLEL='--sshlogin node1,node2 --jobs 1'. LOUPE names another program, JOBS how many at once.
set -eu
[ $# -ge 3 ] || { echo "usage: $0 PARTS FOLDER CHECKPOINT [options of loupe scan]" >&2; exit 2; }
parts=$1 folder=$2
shift 2
LOUPE=${LOUPE:-loupe}
mkdir -p "$folder"
parallel --quote --jobs "${JOBS:-1}" --halt soon,fail=1 \
    "$LOUPE" scan "$@" --part "{}/$parts" --resume "$folder/part-{}.jsonl" --csv \
    ::: $(seq "$parts") > /dev/null
"$LOUPE" merge --json $(seq -f "$folder/part-%.0f.jsonl" "$parts") > "$folder/scan.json"
