"""Time-sync comments: files of several sites into times and texts, cleaned and cut into words."""
