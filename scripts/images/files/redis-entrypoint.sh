#!/bin/sh
# Starts Redis as the official image does: as user redis, in /data, reachable from other containers.
set -eu
case "${1:-}" in
  -* | *.conf | "") set -- redis-server "$@" ;;
esac
if [ "$1" = redis-server ]; then
  shift
  # A configuration file must come first; protected mode would refuse every client from another address.
  case "${1:-}" in
    "" | -*) set -- redis-server --protected-mode no "$@" ;;
    *) config=$1; shift; set -- redis-server "$config" --protected-mode no "$@" ;;
  esac
  if [ "$(id -u)" = 0 ]; then
    chown redis: .
    exec setpriv --reuid=redis --regid=redis --init-groups -- "$@"
  fi
fi
exec "$@"
