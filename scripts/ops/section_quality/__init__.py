"""Measures of sections, and findings on damaged ones."""
