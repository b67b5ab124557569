#!/bin/sh
# Word count as McIlroy wrote it (1986), one process a step: coreutils_words.sh INPUT OUTPUT
export LC_ALL=C
tr A-Z a-z <"$1" | tr -cs "a-z'" '\n' | sort -S 1G | uniq -c |
    awk '$2 != "" { print $2 "\t" $1 }' >"$2"
