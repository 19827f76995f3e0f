"""Tests that run on a site."""
