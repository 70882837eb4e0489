#compdef suparust
# zsh completion for suparust
_suparust() {
  local line also= text
  local -a candidates
  for line in "${(@f)$(${(Q)words[1]} __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :*) also=${line#:} ;;
      *$'\t'*) text=${line%%$'\t'*}; candidates+=("${text//:/\\:}:${line#*$'\t'}") ;;
      *) candidates+=("${line//:/\\:}") ;;
    esac
  done
  (( $#candidates )) && _describe suparust candidates
  case $also in
    files) _files ;;
    dirs) _files -/ ;;
    commands) _command_names -e || _files ;;
  esac
}
if [ "$funcstack[1]" = "_suparust" ]; then
  _suparust "$@"
else
  compdef _suparust suparust
fi
