"""What is measured, and how: one package for each question."""
