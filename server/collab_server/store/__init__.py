"""Where rooms are kept: the protocol that a store speaks, and the stores that speak it."""
