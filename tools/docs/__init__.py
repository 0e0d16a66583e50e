"""Builds the documentation as a site that needs nothing from elsewhere, and checks its links.

The pages are those that are read in the repository, at the places where they are: none is written
for the site alone.
"""
