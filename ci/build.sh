#!/bin/sh
# Builds suparust from the tree that this file is in, puts it into the PATH of the steps that follow, and says where its
# cache is. Part of action.yml; any CI with the same variables can run it.
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)
bin=${RUNNER_TEMP:?}/suparust-bin
(cd "$tree" && go build -trimpath -o "$bin/suparust" ./cmd/suparust)
echo "$bin" >>"${GITHUB_PATH:?}"

# root's PostgreSQL runs as another user, to whom root's home is closed
cache=${SUPARUST_CACHE_DIR:-${RUNNER_TOOL_CACHE:-$RUNNER_TEMP}/suparust}
echo "SUPARUST_CACHE_DIR=$cache" >>"${GITHUB_ENV:?}"
{
  echo "cache=$cache"
  echo "id=$(git hash-object "$bin/suparust")"
} >>"${GITHUB_OUTPUT:?}"
