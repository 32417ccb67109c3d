#!/usr/bin/env bash
# Makes the secrets compose.yaml mounts, in docker/secrets/, each once: what is there already stays as it is.
# Only the folder is closed to others: the files in it are read by the containers' own users.
set -euo pipefail

folder="$(cd "$(dirname "$0")" && pwd)/secrets"
install -d -m 0700 "$folder"

random_hex() { # this many bytes, as hexadecimal digits
    od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'
}

make_file() { # name, content
    [ -e "$folder/$1" ] && return
    printf '%s\n' "$2" >"$folder/.$1"
    chmod 0644 "$folder/.$1"
    mv "$folder/.$1" "$folder/$1"
    echo "made docker/secrets/$1"
}

make_file postgres_password "$(random_hex 24)"
make_file ledger "postgresql://lectorium:$(cat "$folder/postgres_password")@postgres/lectorium"
make_file s3_key_id "GK$(random_hex 12)"
make_file s3_secret "$(random_hex 32)"
# Garage takes its first key from the environment alone.
make_file garage.env "GARAGE_RPC_SECRET=$(random_hex 32)
GARAGE_DEFAULT_BUCKET=lectorium
GARAGE_DEFAULT_ACCESS_KEY=$(cat "$folder/s3_key_id")
GARAGE_DEFAULT_SECRET_KEY=$(cat "$folder/s3_secret")"
