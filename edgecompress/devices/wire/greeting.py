"""The first words to a device: what its shell has for us, and which folder our files can lie in and run from."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecompress.devices.answers import whole
from edgecompress.devices.wire.limits import FORMS

if TYPE_CHECKING:
    from edgecompress.devices.wire.transport import Transport

GREETING_TIMEOUT_S = 60.0
MAX_ANSWER_CHARACTERS = 1024
ENOUGH_KIB = 64 << 10  # for the larger runtime, a runner and some models
HASHERS = ("sha256sum", "md5sum", "cksum")  # `cksum` is in every POSIX system; it sees damage, if not malice
PRIVATE = "edgecompress"  # the last part of a folder that is ours alone, and that may be removed as a whole

# Where our files may lie, as words of a shell that knows `home`, `user` and our own `part` of a path.
CANDIDATES = (
    '"/data/local/tmp/$part" ${home:+"${home%/}/.cache/$part"} '
    '"/tmp/$part-$user" "/var/tmp/$part-$user" "/dev/shm/$part-$user"'
)

# $1: the folder that the user wants, or nothing; $2: our own part of a path; $3: the KiB that are enough; then the
# forms of `timeout`. Each answer is a line; of a folder: its room in KiB, its path, and why it cannot be used. A script
# runs without a first line `#!` in a folder that may be executed from, and is denied (126) where that is forbidden.
_SCRIPT = r"""
wanted=$1 part=$2 enough=$3; shift 3
home=$(cd 2>/dev/null && pwd) && echo "home=$home"
user=$(id -u) && echo "user=$user"
for form in "$@"; do $form 5 sh -c : >/dev/null 2>&1 </dev/null && { echo "limit=$form"; break; }; done
for tool in sha256sum md5sum cksum; do $tool >/dev/null 2>&1 </dev/null && { echo "hasher=$tool"; break; }; done
sh=$(command -v sh); case $sh in /*) ;; *) sh=/bin/sh ;; esac
class=$(dd if="$sh" bs=1 skip=4 count=1 2>/dev/null)
[ "$class" = "$(printf '\001')" ] && echo bits=32
[ "$class" = "$(printf '\002')" ] && echo bits=64
tell() { printf 'folder=%s\t%s\t%s\n' "$1" "$2" "$3"; }
look() {
  said=$( (umask 077; mkdir -p "$1" && : > "$1/.try$$") 2>&1) || {
    tell 0 "$1" "it cannot be written: ${said##*: }"; rmdir "$1" 2>/dev/null; return 1; }
  case $1 in /tmp/* | /var/tmp/* | /dev/shm/*)  # where anybody might have made it before us
    [ "$(ls -ldn "$1" | { read -r mode links owner rest; echo "$owner"; })" = "$user" ] || {
      tell 0 "$1" "it belongs to another user"; rm -f "$1/.try$$"; return 1; } ;; esac
  printf 'exit 42\n' > "$1/.try$$" 2>/dev/null && chmod 755 "$1/.try$$" && "$1/.try$$" </dev/null >/dev/null 2>&1
  ran=$?
  rm -f "$1/.try$$"
  [ $ran = 42 ] || { tell 0 "$1" "nothing in it can be executed"; rmdir "$1" 2>/dev/null; return 1; }
  free=$(df -Pk "$1" 2>/dev/null | { read -r title; read -r disk size used free rest; echo "$free"; })
  ours=$(du -sk "$1" 2>/dev/null | { read -r size rest; echo "$size"; })
  case $free in '' | *[!0-9]*) free=0 ;; esac
  case $ours in '' | *[!0-9]*) ours=0 ;; esac
  tell $((free + ours)) "$1"
  [ $((free + ours)) -ge $enough ]
}
if [ -n "$wanted" ]; then
  case $wanted in /*) ;; '~') wanted=$home ;; '~/'*) wanted=$home/${wanted#??} ;; *) wanted=$home/$wanted ;; esac
  look "$wanted/$part"
else
  for each in CANDIDATES; do
    case $each in /.cache/*) continue ;; "$home"/*) ;; *) [ -d "${each%/*}" ] || continue ;; esac
    look "$each" && break
  done
fi
exit 0
""".replace("CANDIDATES", CANDIDATES)


@dataclass(frozen=True)
class Candidate:
    """A folder that was looked at; `why_not` is empty if our files can lie there and run."""

    path: str
    room_kib: int
    why_not: str


@dataclass(frozen=True)
class Greeting:
    """What a device's shell told at first; empty or None where it did not."""

    home: str
    user: int | None
    limit: str  # the form of `timeout`, one of FORMS
    hasher: str  # one of HASHERS, or empty
    bits: int | None  # of its shell, and so of its userland: 32 or 64
    candidates: tuple[Candidate, ...] = ()

    @property
    def folder(self) -> str:
        """The folder that is taken: the first with enough room, else the one with most; empty if there is none."""
        usable = [each for each in self.candidates if not each.why_not]
        enough = [each for each in usable if each.room_kib >= ENOUGH_KIB]
        return (enough or sorted(usable, key=lambda each: -each.room_kib) or [Candidate("", 0, "")])[0].path

    @property
    def reasons(self) -> str:
        """Why each of the other folders was passed over."""
        return "; ".join(f"{each.path}: {each.why_not}" for each in self.candidates if each.why_not)


def greet(transport: Transport) -> Greeting:
    """Ask a device for all of this, in one script.

    Raises:
        DeviceError: it refuses us, or has no shell for us.
    """
    words = ["sh", "-c", _SCRIPT, "sh", transport.address.folder, PRIVATE, str(ENOUGH_KIB), *filter(None, FORMS)]
    said = transport.ask(shlex.join(words), timeout_s=GREETING_TIMEOUT_S)
    return parse_greeting(said.stdout)


def parse_greeting(text: str) -> Greeting:
    """Make sense of the answer, which a hostile device may have written: only paths and words that we know count."""
    answers: dict[str, str] = {}
    candidates = []
    for line in text[: 1 << 16].splitlines():
        key, _, value = line.partition("=")
        fields = value.split("\t")
        if len(value) > MAX_ANSWER_CHARACTERS or not all(field.isprintable() for field in fields):
            continue
        if len(fields) == 1:
            answers.setdefault(key, value)
        elif key == "folder" and len(fields) == 3 and fields[1].startswith("/"):
            candidates.append(Candidate(fields[1], whole(fields[0]) or 0, fields[2][:200]))
    home = answers.get("home", "")
    return Greeting(
        home=home if home.startswith("/") else "",
        user=whole(answers.get("user", "")),
        limit=_one_of(FORMS, answers.get("limit", "")),
        hasher=_one_of(HASHERS, answers.get("hasher", "")),
        bits=whole(_one_of(("32", "64"), answers.get("bits", ""))),
        candidates=tuple(candidates),
    )


def _one_of(known: tuple[str, ...], text: str) -> str:
    return text if text in known else ""
