#!/bin/sh
# Fetches PostgreSQL and prepares the template of databases for root and for a user of an image, who share PostgreSQL's
# files: usage: prepare.sh USER, as root.
set -eu
user=$1
cd /tmp
suparust prefetch
home=$(getent passwd "$user" | cut -d: -f6)
cache=$home/.cache/suparust
mkdir -p "$cache/pg"
cp -al "${SUPARUST_CACHE_DIR:-/var/cache/suparust}"/pg/[0-9]* "$cache/pg/"
chown "$user" "$home/.cache" "$cache" "$cache/pg"
setpriv --reuid "$user" --regid "$user" --clear-groups env HOME="$home" SUPARUST_CACHE_DIR="$cache" suparust prefetch
