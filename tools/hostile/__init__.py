"""Throws hostile files at the service as it is shipped, and judges what becomes of each."""
