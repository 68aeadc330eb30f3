# SPDX-License-Identifier: Apache-2.0
# Sourced by ./run and ./check: installs what is missing, from the one list resources/packages.txt.

say() { printf '\n== %s\n' "$*"; }

# packages GROUP...: the names of the groups, as far as this system knows them
loupe_packages() {
    awk -v wanted=" $* " '/^#/ {next} /^\[/ {on = index(wanted, " " substr($0, 2, length($0) - 2) " "); next} on {print}' \
        resources/packages.txt
}

loupe_setup() {
    local missing="" name
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        if ! command -v cmake >/dev/null; then
            echo "This system has no apt. Needed (Debian names): $(loupe_packages "$@" | tr '\n' ' ')"
            echo "Fedora: dnf install gcc-c++ cmake ninja-build ccache eigen3-devel json-devel simdjson-devel cli11-devel openblas-devel zlib-devel qt6-qtbase-devel qt6-qtsvg-devel qcustomplot-qt6-devel catch2-devel, and tl-expected from its source"
            echo "Arch:   pacman -S gcc cmake ninja ccache eigen nlohmann-json simdjson cli11 openblas zlib tl-expected qt6-base qt6-svg qcustomplot-qt6 catch2"
            return 1
        fi
        return 0
    fi
    for name in $(loupe_packages "$@"); do
        dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing="$missing $name"
    done
    [ -z "$missing" ] && return 0
    local sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo"
    say "installing:$missing"
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null || {
        echo "These packages could not be installed:$missing"
        echo "On Debian 12 or Ubuntu 24.04: $sudo apt-get install$missing"
        return 1
    }
}

# Two jobs on two cores; one for every 2 GiB of memory at most.
loupe_jobs() {
    local cores memory
    cores=$(nproc 2>/dev/null || echo 2)
    memory=$(awk '/MemTotal/ {print int($2 / 2097152)}' /proc/meminfo 2>/dev/null || echo 2)
    [ "$memory" -lt 1 ] && memory=1
    [ "$memory" -lt "$cores" ] && echo "$memory" || echo "$cores"
}
