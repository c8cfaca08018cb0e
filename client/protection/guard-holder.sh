#!/bin/sh
# Hands commands to a `nft`, which owns the guard, and lives as long as it. Lines are commands, but for these:
#
#     bye                                              the daemon ends: so does this
#     will TAB iptables-restore TAB over TAB anew      the rules now in force, as input for that program, with \n: over
#                                                      themselves, and where nothing of them is left
#
# Without `bye` the daemon was killed. Somebody may have flushed the rules in the last moment before that, so they are
# loaded again, and only then the guard goes.
command -v nft >/dev/null || exit 127
# A service manager ends all programs of a daemon that was killed: this one may finish.
trap '' HUP INT TERM
tab=$(printf '\t')

load() {
  printf '%b' "$2" | "$1" --noflush --wait 5 >/dev/null 2>&1
}

{
  while IFS="$tab" read -r line program over anew; do
    case "$line $program" in
      'bye ') exit ;;
      'will iptables-restore') over4=$over anew4=$anew ;;
      'will ip6tables-restore') over6=$over anew6=$anew ;;
      *) printf '%s\n' "$line" ;;
    esac
  done
  if [ -n "$over4" ]; then load iptables-restore "$over4" || load iptables-restore "$anew4"; fi
  if [ -n "$over6" ]; then load ip6tables-restore "$over6" || load ip6tables-restore "$anew6"; fi
} | {
  nft -i
  # It has ended, whoever ended it: so does the reader above.
  kill -9 0
}
