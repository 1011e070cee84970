"""The server's side of collab: rooms, the connections into them, and the store under them."""
