"""What an operator asks of a server, and a room's admin of the room: invite, send away, close, erase."""
