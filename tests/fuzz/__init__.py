"""Fuzzing: what foreign bytes may do, in child processes that are allowed to die."""
