"""Akount Document Intelligence: uploaded bills and invoices become checked draft records."""

__version__ = "0.1.0"
