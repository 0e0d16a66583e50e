"""The embedded checkpoint store: one SQLite file that several processes may open at once.

Here lives all that knows SQLite: the schema, every statement, the threads that the blocking driver
runs in, and one class for each port that is kept in the file. `SqliteDatabase` is opened first; the
port classes are thin views of it and have no life of their own.
"""
