#!/bin/sh
# The lines of a file in the order of their bytes, on all cores: gnu_sort.sh INPUT OUTPUT
LC_ALL=C exec sort -S 1G -T "$(dirname "$2")" -o "$2" "$1"
