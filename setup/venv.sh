#!/usr/bin/env bash
# Makes .venv with the newest Python of 3.13, 3.12 and 3.11 that runs here, or with $PYTHON. Does nothing when it stands.
set -euo pipefail

folder=.venv
fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'

if [ -x "$folder/bin/python" ] && "$folder/bin/python" -c "$fits" 2>/dev/null &&
    "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

make_with() { # the ways to get a virtual environment with pip in it, the usual one first
    rm -rf "$folder"
    "$1" -m venv "$folder" >/dev/null 2>&1 && return
    rm -rf "$folder"
    "$1" -m virtualenv --quiet "$folder" >/dev/null 2>&1 && return
    rm -rf "$folder"
    "$1" -m venv --without-pip "$folder" >/dev/null 2>&1 &&
        "$1" -m pip --python "$folder/bin/python" install --quiet pip >/dev/null 2>&1 && return
    rm -rf "$folder"
    return 1
}

found=
for python in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    "$python" -c "$fits" 2>/dev/null || continue
    found=${found:-$python}
    make_with "$python" && exit 0
done

if [ -z "$found" ]; then
    echo "Python 3.11, 3.12 or 3.13 is needed: apt-get install python3 python3-venv (or set PYTHON)" >&2
    exit 1
fi

version=$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "python$version-venv" >/dev/null
    make_with "$found" && exit 0
fi
echo "no virtual environment can be made: apt-get install python$version-venv" >&2
exit 1
