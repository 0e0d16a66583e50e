"""A run's story, told in order from stored facts. Pure: facts in, sentences out.

What belongs here: `facts` and `steps` are the values, `arrival`, `queue`, `job` and `ending` tell a
stretch of the way each, `telling` puts them in order and says in a sentence how things stand, and
`text` writes it for terminals.
"""
