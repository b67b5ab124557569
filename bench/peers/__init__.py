"""One small program for each way that ours is measured against, as its users write it.

Each is run as a process of its own, in the environment of `make .venv/bench`: `python -m bench.peers.NAME INPUT
OUTPUT`. It writes its whole answer to OUTPUT, a line `key<TAB>count` each, in any order (a file, or a folder of part
files), and may print one JSON document: `inner_s`, the seconds that it took from inside, without its start. They
import nothing of ours but each other.
"""
