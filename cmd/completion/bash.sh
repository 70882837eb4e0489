# bash completion for suparust
_suparust() {
  local line also= current=${COMP_WORDS[COMP_CWORD]} IFS=$'\n'
  COMPREPLY=()
  for line in $("${COMP_WORDS[0]/#\~/$HOME}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
    case $line in
      :*) also=${line#:} ;;
      *) COMPREPLY+=("${line%%$'\t'*}") ;;
    esac
  done
  if [ "$current" = "=" ]; then current=; fi
  case $also in
    files) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -f -- "$current")) ;;
    dirs) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -d -- "$current")) ;;
    commands) COMPREPLY+=($(compgen -c -- "$current")) ;;
  esac
}
complete -F _suparust suparust
