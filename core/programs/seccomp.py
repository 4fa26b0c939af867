"""The kernel filter of a fit: refuses system calls that no model needs and attacks on kernels do.

A program of the classic Berkeley Packet Filter, as `struct sock_filter` (seccomp(2)): what is
listed fails as if it were not permitted, sockets are of one machine (AF_UNIX) only, processes
are made without new namespaces, and there is no memory that belongs to no process. Everything else
is left to namespaces and limits.
"""

from __future__ import annotations

import errno
import platform
import struct

_X86, _ARM = 0xC000003E, 0xC00000B7  # AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64
_ARCHITECTURES = {"x86_64": (_X86, 0), "aarch64": (_ARM, 1)}
_CALLS: dict[str, tuple[int | None, int | None]] = {
    # name: number on x86_64 (asm/unistd_64.h), on aarch64 (asm-generic/unistd.h)
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "memfd_secret": (447, 447), "memfd_create": (319, 279), "shmget": (29, 194),
    "msgget": (68, 186), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "lookup_dcookie": (212, 18), "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "unshare": (272, 97), "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "mknod": (133, None), "mknodat": (259, 33),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "syslog": (103, 116), "vhangup": (153, 58), "reboot": (169, 142),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "personality": (135, 92),
    "sethostname": (170, 161), "setdomainname": (171, 162), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None),
}  # fmt: skip
_CLONE, _CLONE3, _SOCKET = (56, 220), (435, 435), (41, 198)
_NAMESPACES = 0x7E020000  # CLONE_NEW*: mounts, cgroups, host names, IPC, users, processes, network
_AF_UNIX = 1
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000


def filter_bytes(machine: str = "") -> bytes:
    """The filter for a processor, this one's by default; empty for one that it is not written for.

    Args:
        machine: as `platform.machine` has it.
    """
    known = _ARCHITECTURES.get(machine or platform.machine())
    if known is None:
        return b""
    audit, at = known
    steps = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, audit), (_RETURN, 0, 0, _KILL),
             (_LOAD, 0, 0, _NUMBER)]  # fmt: skip
    if audit == _X86:  # the numbers of the x32 interface would pass by the list
        steps += [(_AT_LEAST, 0, 1, 0x40000000), _fails(errno.EPERM)]
    for numbers in _CALLS.values():
        number = numbers[at]
        if number is not None:
            steps += [(_EQUAL, 0, 1, number), _fails(errno.EPERM)]
    # clone3 hides its flags behind a pointer; told that there is none, the C library uses clone
    steps += [(_EQUAL, 0, 1, _CLONE3[at]), _fails(errno.ENOSYS)]
    steps += [(_EQUAL, 0, 4, _CLONE[at]), (_LOAD, 0, 0, _FIRST_ARGUMENT),
              (_ANY_BIT, 0, 1, _NAMESPACES), _fails(errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    steps += [(_EQUAL, 0, 4, _SOCKET[at]), (_LOAD, 0, 0, _FIRST_ARGUMENT),
              (_EQUAL, 0, 1, _AF_UNIX), (_RETURN, 0, 0, _ALLOW), _fails(errno.EAFNOSUPPORT)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _fails(number: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, _FAIL | number)
