#!/bin/sh
# Makes the user of Nexus and its bucket, by the S3 server's own command; does nothing where they are there.
set -eu

if versitygw admin list-users | grep -q '^nexus[[:space:]]'; then
    versitygw admin update-user --access nexus --secret "$SECRET"
else
    versitygw admin create-user --access nexus --secret "$SECRET" --role user
fi
if ! versitygw admin list-buckets | grep -q "^$BUCKET[[:space:]]"; then
    versitygw admin create-bucket --owner nexus --bucket "$BUCKET"
fi
