#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-format 14 style is not enforced here; clang-tidy 14 is, on the sources that differ from the given base
# (default: the commit before the last), or on all with --all. Needs build/no-app (core, gpu, command line).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
command -v clang-tidy-14 >/dev/null || { echo "clang-tidy-14 is not installed: skipped"; exit 0; }
if [ "${1:-}" = "--all" ]; then
    files=$(git ls-files 'core/*.cpp' 'gpu/*.cpp')
else
    base=${LOUPE_TIDY_BASE:-$(git rev-parse -q --verify HEAD~1 || true)}
    files=$(git diff --name-only --diff-filter=AM "${base:-HEAD}" -- 'core/*.cpp' 'gpu/*.cpp' || true)
fi
files=$(echo "$files" | grep -v -E '_(baseline|v3|v4)\.cpp$' || true)
[ -n "$files" ] || { echo "nothing changed"; exit 0; }
# GCC's precompiled headers and options mean nothing to clang: a database without them.
database=build/tidy
mkdir -p "$database"
sed -E -e 's@"command": "[^"]*ccache @"command": "@' -e 's@ -fpch-preprocess@@; s@ -Winvalid-pch@@; s@ -include [^ ]*cmake_pch.hxx@@' \
    build/no-app/compile_commands.json >"$database/compile_commands.json"
echo "$files" | xargs -P "${LOUPE_TIDY_JOBS:-$(nproc)}" -n 4 clang-tidy-14 -p "$database" --quiet --extra-arg=-std=c++20 2>/dev/null
echo "$(echo "$files" | wc -l) files clean"
