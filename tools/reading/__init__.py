"""How well documents are read: measured on sets with truth (`make eval`), and the confidence learned from them (`make train`)."""
