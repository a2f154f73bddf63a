"""The rivals' applications, as their manuals would have them."""
