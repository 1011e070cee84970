"""The program as people run it: real processes, a real server, real terminals."""
