#!/bin/sh
# The data base of pgAdmin's own is made with an account that nobody signs in to: its password is known to nobody.
set -eu
export PGADMIN_SETUP_EMAIL=nobody@example.org
PGADMIN_SETUP_PASSWORD=$(head -c 32 /dev/urandom | base64)
export PGADMIN_SETUP_PASSWORD
cd /opt/pgadmin/app
python setup.py setup-db
unset PGADMIN_SETUP_EMAIL PGADMIN_SETUP_PASSWORD
# One worker: sessions are kept in it.
exec gunicorn --bind 0.0.0.0:5050 --workers 1 --threads 25 --worker-tmp-dir /dev/shm --access-logfile - pgAdmin4:app
