# bash completion for itexctl(1), which knows itself what may come: itexctl __complete.

# COMP_WORDS is cut at "=" and ":", which are part of our words. words: as the shell will have them, up to the cursor;
# starts: the first piece of each.
_itexctl_words()
{
    local line=${COMP_LINE:0:COMP_POINT} piece i
    words=() starts=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        if ((i == 0)) || [[ $line == [[:blank:]]* ]]; then
            line=${line#"${line%%[![:blank:]]*}"}
            words+=("") starts+=("$i")
        fi
        ((i == COMP_CWORD)) && piece=$line
        words[${#words[@]} - 1]+=$piece
        line=${line#"$piece"}
    done
}

# Of the word, readline replaces only what is behind the last of the characters at which it cuts.
_itexctl_kept()
{
    local breaks=""
    [[ $COMP_WORDBREAKS == *"="* ]] && breaks+="="
    [[ $COMP_WORDBREAKS == *":"* ]] && breaks+=":"
    kept=""
    [[ $breaks && $1 == *[$breaks]* ]] && kept=${1%"${1##*[$breaks]}"}
}

_itexctl()
{
    local words starts kept line
    COMPREPLY=()
    _itexctl_words
    _itexctl_kept "${words[${#words[@]} - 1]}"
    while IFS= read -r line; do
        case $line in
            :files)
                line=${words[${#words[@]} - 1]}
                [[ $line == --*=* ]] && line=${line#*=}
                compopt -o filenames
                while IFS= read -r line; do
                    COMPREPLY+=("$line")
                done < <(compgen -f -- "$line")
                ;;
            :command\ *)
                line=$((${line#:command } + 1)) # from the words behind the first to all
                if declare -F _command_offset > /dev/null; then
                    _command_offset "${starts[line]}"
                elif ((line == ${#words[@]} - 1)); then
                    compopt -o filenames
                    mapfile -t COMPREPLY < <(compgen -c -- "${words[line]}")
                else
                    compopt -o default
                fi
                ;;
            *)
                line=${line%%$'\t'*}
                [[ $line == *= ]] && compopt -o nospace
                printf -v line %q "${line#"$kept"}"
                COMPREPLY+=("${line/#\\~/\~}")
                ;;
        esac
    done < <("$1" __complete -- "${words[@]:1}" 2> /dev/null)
}

complete -F _itexctl itexctl
