"""Asking a server, here or elsewhere, or its folder, for what its operator may ask for."""
