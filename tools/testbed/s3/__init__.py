"""An S3-compatible server: versitygw over a folder, built from its Go module.

Here belongs how the server is built, started and given its users and its bucket; `server` is also
for tests that want one of their own to kill. Nothing of its source is kept here: `go.mod` and
`go.sum` say which versions are built, and of what.

- `distribution`: building it into the cache
- `accounts`: the users, the bucket, and whether it answers
- `server`: one server in a folder
- `room`: what `up` calls
"""
