# Completion of patchbay for fish: patchbay completion fish | source
function __patchbay_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    # In --flag=NAME, names of files are completed behind the first part.
    set -l flag (string match -r -- '^--[^=]*=' $current)
    set -l name (string replace -r -- '^--[^=]*=' '' $current)
    for line in (command $words[1] COMMAND $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path $name | string replace -r -- '^' "$flag"
            case :dirs
                __fish_complete_directories $name | string replace -r -- '^' "$flag"
            case '*'
                echo $line
        end
    end
end
complete -c patchbay -f -a '(__patchbay_complete)'
