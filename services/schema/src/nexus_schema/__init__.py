"""The command that makes and checks the tables of the checkpoint store: `nexus-schema`.

It reads the same settings as the services, and ends when it is done, as a hook does.
"""
