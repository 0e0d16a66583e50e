"""Algorithms that really compute something, one folder each, in plain Python.

What belongs here: what a data scientist would write (`main.py`), what tells Nexus about it
(`template.yaml`), and what starts it (`request.json`). Nothing here imports Nexus.
"""
