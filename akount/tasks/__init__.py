"""The bell and who answers it: Huey carries job ids from the web process to the workers, and nothing that matters."""
