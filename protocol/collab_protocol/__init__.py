"""The wire and the rules of collab: pure, synchronous, without I/O, clock, dice or logging."""
