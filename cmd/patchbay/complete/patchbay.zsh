#compdef patchbay
# Completion of patchbay for zsh: source it, or store it as _patchbay in a directory of $fpath.
_patchbay() {
	local line word files dirs
	local -a found
	for line in "${(@f)$(command "${(Q)words[1]}" COMMAND "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
		case $line in
		'') ;;
		:files) files=1 ;;
		:dirs) dirs=1 ;;
		*)
			word=${line%%$'\t'*}
			found+=("${word//:/\\:}:${line#*$'\t'}")
			;;
		esac
	done
	if (( $#found )); then
		if [[ $PREFIX == -* ]]; then _describe -o 'flag' found; else _describe 'word' found; fi
	fi
	if [[ -n $files$dirs ]]; then
		[[ $PREFIX == --*=* ]] && compset -P '*='
		if [[ -n $files ]]; then _files; else _files -/; fi
	fi
}
if [[ $funcstack[1] = _patchbay ]]; then
	_patchbay "$@"
else
	compdef _patchbay patchbay
fi
