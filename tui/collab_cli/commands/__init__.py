"""The subcommands of `collab`, one a file; each imports what is heavy only when it runs."""
