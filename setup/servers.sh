#!/usr/bin/env bash
# Installs the servers the tests talk to: PostgreSQL, Redis and s3rver (npm). Debian's packages when we are root;
# otherwise one line says which are missing, and their tests are skipped (with CI=true that is an error).
set -euo pipefail

missing=()
command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v npm >/dev/null || missing+=(npm)

if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    missing=()
fi

if [ ${#missing[@]} -gt 0 ]; then
    echo "not installed: ${missing[*]}. Their tests need: sudo apt-get install ${missing[*]}" >&2
    [ -z "${CI:-}" ] || exit 1
fi

if command -v npm >/dev/null && [ ! -x node_modules/.bin/s3rver ]; then
    npm install --no-save --no-package-lock --no-audit --no-fund --silent --prefix . s3rver@3.7.1
fi
