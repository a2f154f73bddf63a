"""The readers of documents: each engine turns the bytes of a document into a Reading, with evidence for every value."""
