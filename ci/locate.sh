#!/bin/sh
# Says where suparust and its cache are to be, and a number of the tree that this file is in: what was built from the same
# tree need not be built again. Part of action.yml; any CI with the same variables can run it.
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)
id=$(cd "$tree" && find . -type f ! -path './.git/*' ! -path '*/node_modules/*' | LC_ALL=C sort | xargs cksum | cksum | cut -d' ' -f1)

# not in root's home: its PostgreSQL runs as another user, to whom that is closed
cache=${SUPARUST_CACHE_DIR:-${RUNNER_TOOL_CACHE:-${RUNNER_TEMP:?}}/suparust}
echo "SUPARUST_CACHE_DIR=$cache" >>"${GITHUB_ENV:?}"
echo "$cache/bin/$id" >>"${GITHUB_PATH:?}"
{
  echo "cache=$cache"
  echo "id=$id"
} >>"${GITHUB_OUTPUT:?}"
