# Completion of patchbay for bash:  source <(patchbay completion bash)
_patchbay() {
	local words word current line
	COMPREPLY=()
	# The words as typed: COMP_WORDS are cut at = as well.
	line=${COMP_LINE:0:COMP_POINT}
	read -ra words <<<"$line"
	current=''
	case $line in
	*[[:space:]]) ;;
	*) current=${words[${#words[@]}-1]}; unset "words[${#words[@]}-1]" ;;
	esac
	# What readline puts the candidate in place of begins behind the =.
	local cut=''
	case $COMP_WORDBREAKS in *=*) case $current in --*=*) cut=${current%%=*}= ;; esac ;; esac
	while IFS=$'\t' read -r word _; do
		case $word in
		:files) compopt -o default 2>/dev/null ;;
		:dirs) compopt -o dirnames 2>/dev/null ;;
		*) COMPREPLY+=("${word#"$cut"}") ;;
		esac
	done < <("${1/#\~/$HOME}" COMMAND "${words[@]:1}" "$current" 2>/dev/null)
}
complete -F _patchbay patchbay
