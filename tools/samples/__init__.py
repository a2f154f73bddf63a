"""The bundled sample documents: each is drawn by a module of its own, which also says what is on it."""
