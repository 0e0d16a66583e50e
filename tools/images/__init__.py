"""Building the images of the services, and telling what is inside them.

`deploy/images/Dockerfile` says how one is built. Here stands what goes before that: a Docker engine
and a client of it, images to build on, and what version and revision they get.
"""
