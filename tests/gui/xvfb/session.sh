#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs the session test of a build folder on a display of its own with a window manager: session.sh BUILD
set -euo pipefail
build=$(readlink -f "${1:?build folder}")
for tool in Xvfb openbox xdotool; do
    command -v "$tool" >/dev/null || { echo "xvfb session skipped: no $tool on this machine"; exit 77; }
done
work=$(mktemp -d)
cleanup() { kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT
Xvfb -displayfd 5 -screen 0 1920x1080x24 -nolisten tcp 5>"$work/display" >"$work/xvfb.log" 2>&1 &
for _ in $(seq 100); do [ -s "$work/display" ] && break; sleep 0.1; done
[ -s "$work/display" ] || { cat "$work/xvfb.log"; echo "Xvfb did not start"; exit 1; }
export DISPLAY=":$(cat "$work/display")"
export XDG_RUNTIME_DIR="$work" HOME="$work" QT_QPA_PLATFORM=xcb
openbox >"$work/openbox.log" 2>&1 &
# A window that opens before the window manager answers would never become the active one.
for _ in $(seq 200); do xdotool get_num_desktops >"$work/desktops.log" 2>&1 && break; sleep 0.1; done
timeout 300 "$build/bin/xvfb_session"
