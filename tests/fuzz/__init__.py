"""A coverage-guided fuzzer of the extension: `make fuzz`.

libFuzzer runs inside Python, in a separate module (harness.c), and passes each input to
`targets.one_input`. That turns the input into calls of the extension as the engine makes them, and
compares each answer with plain Python. So a crash, a report of a sanitizer and a wrong answer are
all found. Atheris does the same from PyPI, but its wheels for a new Python come long after its
release, and none is built with the compiler used here; a program that embeds Python needs a shared
libpython and does not see the virtual environment.
"""
