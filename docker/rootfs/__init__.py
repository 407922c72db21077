"""Makes the image's files out of a base image, the installed wheels and app/. Runs in the build stage."""
