#!/bin/sh
# Two directories for one mesh. Before: `sallyport up`, and for each directory its URL, the authority of its certificate,
# the account that reads it and a file with that account's password.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sallyport=${SALLYPORT:-sallyport}
people=ou=people,dc=example,dc=org
groups=ou=groups,dc=example,dc=org

# Of a name that stands in both, the user of the lower number counts: nobody outside can take the name of one of the staff.
"$sallyport" sources add staff --precedence 10 --url "$STAFF_URL" --ca "$STAFF_CA" \
  --bind-dn "$STAFF_BIND_DN" --password-file "$STAFF_PASSWORD_FILE" --users $people --groups $groups

# Only groups for partners are taken from there: whoever looks after that directory can make nobody one of the staff.
"$sallyport" sources add extranet --precedence 20 --url "$EXTRANET_URL" --ca "$EXTRANET_CA" \
  --bind-dn "$EXTRANET_BIND_DN" --password-file "$EXTRANET_PASSWORD_FILE" --users $people --groups $groups \
  --group-filter '(&(objectClass=groupOfNames)(cn=partners*))'

"$sallyport" users sync staff
"$sallyport" users sync extranet
"$sallyport" policy apply "$here/policy.yaml"
