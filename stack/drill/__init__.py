"""Drills: something is broken on purpose, what should follow is watched, and all is put right again."""
