#!/usr/bin/env bash
# Installs flite, the synthesiser the starter voice learns from: Debian's package when we are root. Without it all
# else works; the few tests that need it are skipped and say so.
set -euo pipefail

command -v flite >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo 'installing flite'
    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends flite >/dev/null) || true
fi
command -v flite >/dev/null || echo 'not installed: flite. The starter voice and its tests need: sudo apt-get install flite' >&2
