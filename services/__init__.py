"""The containers of a stack: three thin apps that run tasks (splitter, mapper, reducer) with their
common shell, and the idle guard.
"""
