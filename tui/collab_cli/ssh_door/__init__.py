"""`collab serve --ssh`: whoever has an ssh client, and nothing else, gets the editor.

    serve (rooms) ── starts, restarts, stops ──▶ door (asyncssh, its own loop)
      ▲ Unix socket                                │ one PTY a guest   ▲ pid ended
      │                                            ▼                   │
      ╰──────── guest (the editor on a PTY) ◀── forks ── fork server (all of the editor, loaded once)

Three kinds of processes, so that none is another's trouble: a flood of logins keeps no room waiting, and
a guest that crashes is one line on his own screen. The door holds the other end of each PTY: when it is gone,
all guests are hung up on. When `serve` is gone, the door sees the end of its stdin and goes, too.
"""
