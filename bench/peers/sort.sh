#!/bin/sh
# Sorted lines by GNU sort, on all cores, by bytes: sort.sh INPUT OUTPUT [-u]
set -eu
input=$1 output=$2
shift 2
LC_ALL=C sort "$@" -o "$output" "$input"
