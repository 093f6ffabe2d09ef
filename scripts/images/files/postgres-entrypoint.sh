#!/bin/sh
# Starts PostgreSQL as the official image does, as far as an application sees it: POSTGRES_USER, POSTGRES_DB,
# POSTGRES_PASSWORD (or a file of it in POSTGRES_PASSWORD_FILE), POSTGRES_HOST_AUTH_METHOD, POSTGRES_INITDB_ARGS
# and PGDATA mean the same. Left out: the scripts in /docker-entrypoint-initdb.d.
set -eu
case "${1:-}" in
  -* | "") set -- postgres "$@" ;;
esac
[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /run/postgresql
  chown postgres: "$PGDATA" /run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi

make_cluster() {
  user=${POSTGRES_USER:-postgres}
  database=${POSTGRES_DB:-$user}
  password=${POSTGRES_PASSWORD:-}
  [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || password=$(cat "$POSTGRES_PASSWORD_FILE")
  method=${POSTGRES_HOST_AUTH_METHOD:-}
  if [ -z "$password" ] && [ "$method" != trust ]; then
    echo 'Error: Database is uninitialized and superuser password is not specified.' >&2
    echo '       You must specify POSTGRES_PASSWORD to a non-empty value for the superuser,' >&2
    echo '       or POSTGRES_HOST_AUTH_METHOD=trust to let everyone in without one.' >&2
    exit 1
  fi
  # Made aside, so that a first start that is killed half-way leaves no half a cluster.
  new=$PGDATA/.new
  rm -rf "$new"
  secret=$(mktemp)
  printf '%s\n' "$password" >"$secret"
  set -- --username="$user" --pgdata="$new"
  [ -z "$password" ] || set -- "$@" --pwfile="$secret"
  # shellcheck disable=SC2086 # the arguments of POSTGRES_INITDB_ARGS are words
  initdb "$@" ${POSTGRES_INITDB_ARGS:-}
  rm -f "$secret"
  printf '\nhost all all all %s\n' "${method:-scram-sha-256}" >>"$new/pg_hba.conf"
  if [ "$database" != postgres ]; then
    printf 'CREATE DATABASE "%s";\n' "$(printf %s "$database" | sed 's/"/""/g')" |
      postgres --single -D "$new" postgres >/dev/null
  fi
  # PG_VERSION says that a cluster is here: it moves last. What a start that was killed here left is replaced.
  for file in "$new"/*; do
    [ "$file" = "$new/PG_VERSION" ] && continue
    rm -rf "$PGDATA/${file##*/}"
    mv "$file" "$PGDATA/"
  done
  mv "$new/PG_VERSION" "$PGDATA/"
  rmdir "$new"
}

[ -s "$PGDATA/PG_VERSION" ] || make_cluster
shift
exec postgres -D "$PGDATA" -c listen_addresses='*' "$@"
