"""Finished studies as one self-contained HTML page and one PDF of its figures."""
