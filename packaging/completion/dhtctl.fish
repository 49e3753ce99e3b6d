# SPDX-License-Identifier: Apache-2.0
#
# Completion of dhtctl for fish; dhtctl itself says what a word can become.

function __dhtctl_complete
    set -l typed (commandline -opc)
    set -l word (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $typed[1])
    set -e typed[1]
    for line in ($program --complete (string replace -r '^~/' $HOME/ -- $typed) "$word" 2>/dev/null </dev/null)
        if test "$line" = \tfiles
            set -l before (string match -r -- '^--[^=]*=' "$word")
            set -l path (string replace -- "$before" '' "$word")
            for found in (__fish_complete_path "$path")
                printf '%s%s\n' "$before" "$found"
            end
        else
            printf '%s\n' "$line"
        end
    end
end

complete -c dhtctl -f -a '(__dhtctl_complete)'
