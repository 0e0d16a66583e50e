"""The port `PayloadStore` in a bucket of S3, or of a server that speaks like it.

Here lives all that knows S3: where content lies, signatures, large uploads in parts, and what the
refusals of a server mean. Bodies go out by requests that are signed here; credentials and all other
requests are aiobotocore's.
"""
