"""Documents that the project makes itself, in many layouts, languages and currencies, with the truth about each."""
