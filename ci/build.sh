#!/bin/sh
# Builds suparust to where locate.sh said, unless it is there, and removes those of other trees. Part of action.yml.
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)
bin=${SUPARUST_CACHE_DIR:?}/bin
id=${SUPARUST_ACTION_ID:?}
if [ ! -x "$bin/$id/suparust" ]; then
  rm -rf "$bin"
  mkdir -p "$bin"
  (cd "$tree" && go build -trimpath -buildvcs=false -o "$bin/new/suparust" ./cmd/suparust)
  mv "$bin/new" "$bin/$id"
fi
"$bin/$id/suparust" version
