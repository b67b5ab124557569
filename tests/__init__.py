"""Tests: unit (mirrors the source), contract, integration."""
