#!/bin/sh
# Matching lines by GNU grep, on one core: grep.sh INPUT OUTPUT PATTERN
set -eu
LC_ALL=C grep -E -- "$3" "$1" > "$2"
