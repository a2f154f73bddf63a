"""The ways in, one module each: API keys, sessions of people with a password, session tokens of Clerk."""
