# Reads "+<run root>" and "-<run root>" lines; at end of file stops the servers in the roots it knows and removes them.
trap '' HUP INT QUIT TERM PIPE
nl='
'
roots="$nl"
while IFS= read -r line; do
  path="${line#?}"
  case "$line" in
    +*) roots="$roots$path$nl" ;;
    -*) case "$roots" in *"$nl$path$nl"*) roots="${roots%%"$nl$path$nl"*}$nl${roots#*"$nl$path$nl"}" ;; esac ;;
  esac
done

nap() { sleep 0.02 2>/dev/null || sleep 1; }

# where <cluster directory>: sets data, kind
where() {
  data="$1/data" kind=clone
  if [ -f "$1/durable" ]; then IFS= read -r data < "$1/durable"; kind=durable; fi
}

# server <data directory>: sets pid, or fails when no server of that directory lives
server() {
  pid=
  [ -f "$1/postmaster.pid" ] && IFS= read -r pid < "$1/postmaster.pid"
  case "$pid" in ''|*[!0-9]*) return 1 ;; esac
  if [ -r /proc/self/cmdline ]; then grep -qF -- "$1" "/proc/$pid/cmdline" 2>/dev/null
  else ps -o command= -p "$pid" 2>/dev/null | grep -qF -- "$1"; fi
}

IFS="$nl"
set -f
for root in $roots; do
  set +f
  for dir in "$root"/*/; do
    dir="${dir%/}"
    where "$dir"
    server "$data" || continue
    if [ $kind = durable ]; then kill -INT "$pid"; else kill -QUIT "$pid"; fi
  done
done
# a clone gets 8 seconds and is then killed; a kept data directory gets a minute to write its last checkpoint, then the
# immediate stop, after which its next start recovers
for root in $roots; do
  for dir in "$root"/*/; do
    dir="${dir%/}"
    where "$dir"
    n=0
    while server "$data"; do
      n=$((n + 1))
      if [ $kind = clone ] && [ $n -eq 400 ]; then
        kill -KILL "$pid"
        break
      fi
      if [ $kind = durable ] && [ $n -eq 3000 ]; then kill -QUIT "$pid"; fi
      if [ $n -gt 4000 ]; then break; fi
      nap
    done
    # only a server that somebody killed leaves this file, and its segment with it
    if [ $kind = clone ] && [ -f "$data/postmaster.pid" ]; then
      shm=$(sed -n '7s/.* //p' "$data/postmaster.pid" 2>/dev/null)
      case "$shm" in ''|*[!0-9]*) ;; *) ipcrm -m "$shm" 2>/dev/null ;; esac
    fi
  done
  rm -rf "$root"
done
