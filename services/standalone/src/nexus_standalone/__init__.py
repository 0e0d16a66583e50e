"""Standalone: scheduler, receiver and supervisor in one process on embedded parts."""
