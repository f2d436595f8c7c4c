"""Searchable catalogues of pictures."""
