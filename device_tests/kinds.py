"""The accounts of the odd boards, which the cases of the tests name."""

from __future__ import annotations

from dataclasses import replace

from device_tests.accounts import Account
from device_tests.machines import IDLE, PI4, THROTTLED, Cluster
from device_tests.userlands import Userland

MENU = 'echo "1) Shell  2) Reboot"\nsleep 600\n'
WRAPPER = '#!/bin/sh\necho "$SSH_ORIGINAL_COMMAND" >> ~/commands\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n'
BANNER = f"{'*' * 60}\nerror: Permission denied to strangers.\n{'*' * 60}\n"
BUSYBOX = Userland("device_userlands/old")
OWN_TMP = Userland()  # else what these accounts write would stay in this machine's /tmp
SCRATCH = ("tmp", "var/tmp", "dev/shm")
SHELLS = (
    Account("plain"),
    Account("echoes", files={".bashrc": 'echo "Welcome to raspberrypi! = today"\nstty erase ^H\nmesg n\n'}),
    Account("moves", files={".bashrc": "mkdir -p ~/projects; cd ~/projects\n"}),
    Account("reads", files={".bashrc": 'echo -n "Your name? "; read -r name; echo "Hello $name"\n'}),
    Account("exits", files={".bashrc": "[ -t 0 ] || exit 0\n"}),
    Account("menu", files={".bashrc": MENU}),
    Account("slow", files={".bashrc": "sleep 1\n"}),
    Account("tcsh", "/usr/bin/tcsh", {".tcshrc": 'echo "tcsh here"\nset prompt = "% "\nstty erase ^H\n'}),
    Account("csh", "/bin/bsd-csh", {".cshrc": "echo csh here\nset path = ($path /opt/bin)\n"}),
    Account("fish", "/usr/bin/fish", {".config/fish/config.fish": "echo fish here\nset -x LANG de_DE.UTF-8\n"}),
    Account("zsh", "/usr/bin/zsh", {".zshenv": "echo zsh here\nsetopt nonomatch shwordsplit\n"}),
    Account("mksh", "/usr/bin/mksh", {".mkshrc": "echo mksh here\n"}),
    Account("ash", "/bin/ash", {".profile": "echo ash here\n"}, userland=BUSYBOX),
    Account("nologin", "/usr/sbin/nologin"),
    Account("false", "/bin/false"),
    Account("missing", "/bin/nosuch"),
    Account("backups", match=['ForceCommand echo "This account is for backups only"']),
    Account("files-only", match=["ForceCommand internal-sftp"]),
    Account("logged", files={"wrapper": WRAPPER}, match=["ForceCommand sh {home}/wrapper"]),
    Account("banner", match=["Banner {home}/banner"], files={"banner": BANNER}),
)
LOGINS = (
    Account("login"),  # of most cases, whose oddity is the client's
    Account("gate", match=["AllowTcpForwarding yes"]),
    Account("closed-gate", match=["AllowTcpForwarding no"]),
    Account("by-password", match=["AuthenticationMethods password", "PasswordAuthentication yes"]),
    Account("own-keys", match=["AuthorizedKeysFile {home}/.ssh/authorized_keys", "PasswordAuthentication yes"]),
    Account("new-keys", match=["AuthorizedKeysFile {home}/.ssh/authorized_keys", "PasswordAuthentication yes"]),
)
_NOEXEC, _TINY = "mode=1777,noexec", "mode=1777,size=3m"
FOLDERS = (
    Account("first.last"),
    Account("1digit"),
    Account("DOM\\user"),
    Account("no-exec", home="mode=755,noexec", userland=OWN_TMP),
    Account("no-exec-anywhere", home="mode=755,noexec", userland=Userland(mounts=dict.fromkeys(SCRATCH, _NOEXEC))),
    Account("tiny", home="mode=755,size=4m", userland=OWN_TMP),
    Account("read-only", home="mode=755,ro", userland=OWN_TMP),
    Account("full", home="mode=755,size=3m", userland=Userland(mounts=dict.fromkeys(SCRATCH, _TINY))),
    Account("homeless", home=None, userland=OWN_TMP),
    Account("private", files={".bashrc": "umask 077\n"}),
    Account("squatted", home="mode=755,ro", userland=OWN_TMP),
    Account("one-session", match=["MaxSessions 1"]),
    Account("own-folder"),
)
_TIMEOUT = """#!/bin/sh
[ "$1" = -t ] || { echo "timeout: unrecognized: $*" >&2; exit 1; }
left=$2; shift 2
( while [ $left -gt 0 ] && kill -0 $$; do sleep 1; left=$((left - 1)); done; kill $$ ) >/dev/null 2>&1 </dev/null &
exec "$@"
"""  # as it does: a child that looks every second whether the command still runs
_FEW = ("timeout", "taskset", "nproc", "sha256sum", "getconf", "stat", "setsid", "md5sum")
_REFUSING = "#!/bin/sh\n{ echo 'VCHI initialization failed' >&2; exit 255; }\n"
_HANGING = "#!/bin/sh\nexec sleep 600\n"
_CAN_BE_ASKED = replace(PI4, files={path: text for path, text in PI4.files.items() if path != THROTTLED})
_VCGENCMD = "usr/bin/vcgencmd"
USERLANDS = (
    Account("busybox", "/bin/sh", userland=BUSYBOX),
    Account("old-arm", "/bin/sh", userland=Userland("device_userlands/old-arm64")),
    Account("musl", "/bin/sh", userland=Userland("device_variants/musl")),
    Account("32-bits", "/bin/sh", userland=Userland("device_variants/i386")),
    Account("old-timeout", userland=Userland(programs={"usr/bin/timeout": _TIMEOUT})),
    Account("few-tools", userland=Userland(removed=tuple(f"usr/bin/{tool}" for tool in _FEW))),
    Account("no-getconf", userland=Userland(removed=("usr/bin/getconf", "usr/bin/ldd"))),
    Account(
        "hanging-vcgencmd",
        userland=Userland(programs={_VCGENCMD: _HANGING}, machine=_CAN_BE_ASKED),
    ),
    Account("no-video", userland=Userland(programs={_VCGENCMD: _REFUSING}, machine=_CAN_BE_ASKED)),
    Account("no-c++", userland=Userland(removed=("usr/lib/x86_64-linux-gnu/libstdc++.so.6*",))),
    Account("dropbear", userland=Userland(removed=("usr/lib/sftp-server", "usr/lib/openssh/sftp-server"))),
)


def _pi(**changes: object) -> Userland:
    """A Raspberry Pi 4 that has nothing to do, but for what is other with it."""
    return Userland(machine=replace(PI4, **{"load": IDLE, **changes}))


def _with(**files: str) -> dict[str, str]:
    return {**PI4.files, **{PATHS[name]: f"{text}\n" for name, text in files.items()}}


def _cluster(cores: range, part: int, capacity: int, maximum_khz: int) -> Cluster:
    return Cluster(cores, part=part, capacity=capacity, minimum_khz=300_000, maximum_khz=maximum_khz)


# Paths below /sys that a case changes.
PATHS = {
    "throttled": THROTTLED,
    "limit": "devices/system/cpu/cpufreq/policy0/scaling_max_freq",
    "clock": "devices/system/cpu/cpufreq/policy0/scaling_cur_freq",
}
_STRANGE_ZONES = {"cold": -273_000, "tenths": 482, "degrees": 48, "huge": 2_147_483_647, "off": 0}
_TWO = (_cluster(range(1), 0xD05, 400, 1_800_000), _cluster(range(1, 2), 0xD08, 1024, 2_400_000))
_TWELVE = (
    _cluster(range(4), 0xD05, 250, 1_800_000),
    _cluster(range(4, 8), 0xD41, 760, 2_200_000),
    _cluster(range(8, 12), 0xD44, 1024, 2_800_000),
)
CONDITIONS = (
    Account("well", userland=_pi()),
    Account("throttled", userland=_pi(files=_with(throttled="4"))),
    Account("undervolted", userland=_pi(files=_with(throttled="50001"))),
    Account("limited", userland=_pi(files=_with(limit="600000", clock="600000"))),
    Account("capped", userland=_pi(files=_with(clock="1000000"))),
    Account("loaded", userland=_pi(load="3.20 2.10 1.00 5/234 5678\n")),
    Account("strange-zones", userland=_pi(zones_millidegrees=_STRANGE_ZONES)),
    Account("one-core", userland=_pi(clusters=(_cluster(range(1), 0xD03, 1024, 1_000_000),))),
    Account("two-cores", userland=_pi(clusters=_TWO)),
    Account("twelve-cores", userland=_pi(clusters=_TWELVE)),
)
LINES = (Account("far"), Account("breaking"))
ACCOUNTS = (*SHELLS, *LOGINS, *FOLDERS, *USERLANDS, *CONDITIONS, *LINES)
