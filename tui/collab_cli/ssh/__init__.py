"""Pairing over SSH: what runs at the far end, what is dialled at the near one, keys that open one room."""
