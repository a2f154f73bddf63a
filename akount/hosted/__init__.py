"""Hosted engines: other people's models, asked only where tenant and uploader have said yes, and never believed alone (S9)."""
