"""Tests of the idle guard."""
