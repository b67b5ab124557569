"""Tests of the decisions of the router."""
