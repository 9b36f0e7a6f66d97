"""Searching recorded people: the query language, the store and contact sheets."""
