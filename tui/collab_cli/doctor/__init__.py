"""What `collab doctor` looks at, one subject a module; nothing here changes anything."""
