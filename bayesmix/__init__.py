"""Segments of stores, or a continuum of them, as a posterior."""
