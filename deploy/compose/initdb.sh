#!/bin/sh
# Run once by PostgreSQL's image, on an empty volume. The services own their database and
# nothing else, so that a compromised service has no superuser.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\set password `tr -d '\r' <"$DB_PASSWORD_FILE"`
CREATE ROLE myhealth LOGIN PASSWORD :'password';
SELECT current_database() AS database \gset
ALTER DATABASE :"database" OWNER TO myhealth;
SQL
