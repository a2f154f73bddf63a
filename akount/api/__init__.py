"""The JSON API: one blueprint per page of the contract, thin."""
