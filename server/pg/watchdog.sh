# Reads "+<run root>" and "-<run root>" lines; at end of file stops the servers in the roots it knows and removes them.
# "!<target> <mark>" names processes that must end, too: the target of a kill(2), and those whose environment has the mark;
# "~" takes that back. "*<pid>" names a server that stands still and must go on first; "/<pid>" takes that back.
trap '' HUP INT QUIT TERM PIPE
nl='
'
roots="$nl" target= mark= frozen="$nl"
while IFS= read -r line; do
  path="${line#?}"
  case "$line" in
    !*) target="${path%% *}" mark="${path#* }" ;;
    ~*) target= mark= ;;
    +*) roots="$roots$path$nl" ;;
    '*'*) frozen="$frozen$path$nl" ;;
    /*) case "$frozen" in *"$nl$path$nl"*) frozen="${frozen%%"$nl$path$nl"*}$nl${frozen#*"$nl$path$nl"}" ;; esac ;;
    -*) case "$roots" in *"$nl$path$nl"*) roots="${roots%%"$nl$path$nl"*}$nl${roots#*"$nl$path$nl"}" ;; esac ;;
  esac
done

# goon <pid>: lets a server and its children go on; those that run do not notice
goon() {
  if [ -r "/proc/$1/task/$1/children" ]; then children=$(cat "/proc/$1/task/$1/children")
  else children=$(ps -A -o pid=,ppid= 2>/dev/null | while read -r child parent; do [ "$parent" = "$1" ] && echo "$child"; done); fi
  for child in $children; do kill -CONT "$child" 2>/dev/null; done
  kill -CONT "$1" 2>/dev/null
}
for pid in $frozen; do goon "$pid"; done

nap() { sleep 0.02 2>/dev/null || sleep 1; }

# guarded: sets pids to the processes that have to end, or fails when there are none
guarded() {
  if [ -r /proc/self/environ ]; then
    pids=$(grep -lF -- "$mark" /proc/[0-9]*/environ 2>/dev/null | sed 's,^/proc/,,; s,/.*,,')
    [ -n "$pids" ]
  else
    pids="$target"
    kill -0 -- "$target" 2>/dev/null
  fi
}
# they get two seconds to end in order; of the group, whoever has no mark gets until the others have ended
if [ -n "$mark" ]; then
  kill -s TERM -- "$target" 2>/dev/null
  n=0
  while guarded && [ $n -le 150 ]; do
    case $n in 0) signal=TERM ;; 100) signal=KILL ;; *) signal=0 ;; esac
    for pid in $pids; do kill -s $signal -- "$pid" 2>/dev/null; done
    n=$((n + 1))
    nap
  done
  kill -s KILL -- "$target" 2>/dev/null
fi

# where: sets data and kind of the cluster directory $dir
where() {
  data="$dir/data" kind=clone
  if [ -f "$dir/durable" ]; then IFS= read -r data < "$dir/durable"; kind=durable; fi
}

# server: sets pid, or fails when no server of $dir lives: its sockets are there. A kept data directory may be another
# process's by now.
server() {
  pid=
  [ -f "$data/postmaster.pid" ] && IFS= read -r pid < "$data/postmaster.pid"
  case "$pid" in ''|*[!0-9]*) return 1 ;; esac
  if [ -r /proc/self/cmdline ]; then grep -qF -- "$dir" "/proc/$pid/cmdline" 2>/dev/null
  else ps -o command= -p "$pid" 2>/dev/null | grep -qF -- "$dir"; fi
}

IFS="$nl"
set -f
for root in $roots; do
  set +f
  for dir in "$root"/*/; do
    dir="${dir%/}"
    where
    server || continue
    if [ $kind = durable ]; then kill -INT "$pid"; else kill -QUIT "$pid"; fi
  done
done
# a clone gets 8 seconds and is then killed; a kept data directory gets a minute to write its last checkpoint, then the
# immediate stop, after which its next start recovers
for root in $roots; do
  for dir in "$root"/*/; do
    dir="${dir%/}"
    where
    n=0
    while server; do
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
