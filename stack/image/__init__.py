"""Images: what goes in, how they are built as a container or for processes, pushed, and pinned by digest."""
