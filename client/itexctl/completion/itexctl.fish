# fish completion for itexctl(1), which knows itself what may come: itexctl __complete.

function __itexctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':files'
                set -l front (string match -r -- '^--[^=]*=' $current)
                for path in (__fish_complete_path (string replace -r -- '^--[^=]*=' '' "$current"))
                    echo "$front$path"
                end
            case ':command *'
                # counted from 0 behind itexctl, here from 1 with it
                set -l start (math (string replace ':command ' '' -- $line) + 2)
                set -l inner
                if test $start -le (count $words)
                    set inner (string escape -- $words[$start..-1])
                end
                complete -C (string join ' ' -- $inner "$current")
            case '*'
                echo $line
        end
    end
end

complete -c itexctl -f -a '(__itexctl_complete)'
