#!/bin/sh
# Word count in mawk, which uses one core: mawk_words.sh INPUT OUTPUT
LC_ALL=C exec mawk '
    { $0 = tolower($0); gsub(/[^a-z'\'']+/, " "); for (i = 1; i <= NF; i++) count[$i]++ }
    END { for (word in count) print word "\t" count[word] }' "$1" >"$2"
