"""One small program for each peer, written as its users write it.

Each runs as a separate process, in the environment of `make .venv/bench`: `python -m
bench.peers.NAME INPUT OUTPUT`. It writes its whole answer to OUTPUT, lines `key<TAB>count` in any
order (a file, or a folder of part files), and may print one JSON document: `inner_s`, the seconds
without its start-up. They import only each other, nothing of ours.
"""
