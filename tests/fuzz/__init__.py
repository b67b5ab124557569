"""A coverage-guided fuzzer of the extension: `make fuzz`.

libFuzzer runs inside of Python, in a module of its own (harness.c), and hands each input to
`targets.one_input`. So an input becomes calls of the extension as the engine makes them, and each
answer is held against plain Python; a crash, a report of a sanitizer and a wrong answer are all
found. Atheris does the same from PyPI, but has no wheels for newer versions of Python until long
after their release, and none that is built with the compiler used here; a program that embeds
Python would need a shared libpython and would not see the virtual environment.
"""
