"""The containers that run tasks: three thin apps (splitter, mapper, reducer) and their common
shell.
"""
