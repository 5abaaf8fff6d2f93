#!/usr/bin/env bash
# The public image's contract, in short: POSTGRES_{USER,PASSWORD,DB}[_FILE], POSTGRES_INITDB_ARGS,
# POSTGRES_HOST_AUTH_METHOD, /docker-entrypoint-initdb.d/*.{sh,sql,sql.gz} on an empty data directory.
set -eo pipefail
[[ ${1:-} == -* ]] && set -- postgres "$@"
if [[ ${1:-} != postgres || " $* " == *" --version "* || " $* " == *" --help "* ]]; then exec "$@"; fi
if [[ $(id -u) == 0 ]]; then
  mkdir -p "$PGDATA"; chown -R postgres "$PGDATA"; chmod 700 "$PGDATA"
  mkdir -p /var/run/postgresql; chown postgres /var/run/postgresql
  exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi
setting() { local f="$1_FILE"; if [[ -n ${!f:-} ]]; then cat "${!f}"; else printf %s "${!1:-$2}"; fi; }
if [[ ! -s $PGDATA/PG_VERSION ]]; then
  user=$(setting POSTGRES_USER postgres); password=$(setting POSTGRES_PASSWORD ''); db=$(setting POSTGRES_DB "$user")
  args=$(setting POSTGRES_INITDB_ARGS ''); method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  if [[ -z $password && $method != trust ]]; then
    echo >&2 'Error: Database is uninitialized and superuser password is not specified.'; exit 1
  fi
  eval "initdb --username=\"\$user\" --pwfile=<(printf '%s\n' \"\$password\") $args"
  echo "unix_socket_directories = '/var/run/postgresql'" >>"$PGDATA/postgresql.conf"   # where Debian's psql looks
  printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
  PGUSER=$user pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p 5432" -w start
  export PGPASSWORD=$password
  sql() { psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$user" --no-password "$@"; }
  [[ $db == postgres ]] || sql --dbname postgres --set db="$db" <<<'CREATE DATABASE :"db";'
  export POSTGRES_USER=$user POSTGRES_PASSWORD=$password POSTGRES_DB=$db
  for f in /docker-entrypoint-initdb.d/*; do
    case $f in
      *.sh) if [[ -x $f ]]; then "$f"; else . "$f"; fi ;;
      *.sql) echo "running $f"; sql --dbname "$db" -f "$f" ;;
      *.sql.gz) gunzip -c "$f" | sql --dbname "$db" ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
  unset PGPASSWORD
  echo; echo 'PostgreSQL init process complete; ready for start up.'; echo
fi
exec "$@"
