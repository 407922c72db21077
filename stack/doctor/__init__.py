"""`doctor`: what a first run needs, looked at before anything is made. Nothing here writes."""
