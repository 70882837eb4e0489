#!/bin/sh
# Prepares the database of the project in this folder, starts a server, and tells the steps that follow where it is. Part of
# action.yml; any CI with the same variables can run it.
set -eu
flags=${SUPARUST_ACTION_FLAGS:-}
suparust prefetch $flags
if [ "${SUPARUST_ACTION_START:-true}" != true ]; then
  exit
fi
suparust start --daemon $flags
suparust env client -o github $flags |
  grep -E '^(SUPABASE_(SERVICE_ROLE_KEY|SECRET_KEY|JWT_SECRET|DB_URL)|SUPARUST_CONTROL_TOKEN)=' | sed 's/^[^=]*=/::add-mask::/'
suparust env client -o github $flags >>"${GITHUB_ENV:?}"
suparust env client -o github $flags >>"${GITHUB_OUTPUT:?}"
