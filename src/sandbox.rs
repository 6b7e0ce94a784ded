//! What the program gives up once everything is open: it listens to hostile traffic, and it must never send.
//!
//! In this order, in the thread that starts all others, so that they inherit it: the user becomes an unprivileged one,
//! nothing can be gained back (no_new_privs, no capabilities), the files are limited to those of the output (Landlock),
//! and the system calls to those that are needed (seccomp). Nothing that could send is among them: a packet socket takes
//! not only send(2) but write(2), too.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::fs::{Access, access};
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// What the program still needs.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// The packet sockets: read only.
    pub packet_sockets: Vec<RawFd>,
    /// Folders in which files are begun anew and renamed.
    pub folders: Vec<PathBuf>,
    /// Connections are accepted on a socket that listens already.
    pub serves: bool,
    /// Maps of eBPF that are open are looked into and written.
    pub shunts: bool,
    /// A connected datagram socket to the service manager.
    pub notifies: Option<RawFd>,
}

/// Why the sandbox cannot be entered; one line.
#[derive(Debug, thiserror::Error)]
#[error("cannot give up {what}: {why} (--no-sandbox goes on with it, for debugging)")]
pub struct SandboxError {
    what: &'static str,
    why: String,
}

/// What was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confined {
    /// The user that the program now runs as, where it was root.
    pub user: Option<u32>,
    /// How far the kernel limits the files.
    pub files: Files,
}

/// How far the kernel limits the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// As asked for, or as far as this kernel can.
    Limited,
    /// This kernel has no Landlock.
    Unlimited,
}

impl fmt::Display for Confined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gave up what is not needed: ")?;
        if let Some(user) = self.user {
            write!(f, "now user {user}, ")?;
        }
        f.write_str("cannot send")?;
        match self.files {
            Files::Limited => f.write_str(", files limited to the output"),
            Files::Unlimited => f.write_str("; this kernel cannot limit the files (no Landlock)"),
        }
    }
}

/// Who the program becomes where it is root: who called sudo, else nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// It called sudo, and what the program makes is for it.
    pub called_sudo: bool,
}

impl Identity {
    /// By the environment that sudo sets; `None` where the program is not root, and stays who it is.
    pub fn to_become() -> Option<Self> {
        if !geteuid().is_root() {
            return None;
        }
        let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
        Some(Self::of(number("SUDO_UID"), number("SUDO_GID")))
    }

    const fn of(uid: Option<u32>, gid: Option<u32>) -> Self {
        match (uid, gid) {
            // u32::MAX is setresuid(2)'s "leave it".
            (Some(uid), Some(gid))
                if uid != 0 && uid != u32::MAX && gid != 0 && gid != u32::MAX =>
            {
                Self {
                    uid,
                    gid,
                    called_sudo: true,
                }
            }
            _ => Self {
                uid: NOBODY,
                gid: NOBODY,
                called_sudo: false,
            },
        }
    }
}

/// Gives a file that was made for the user to the user, where that one called sudo.
pub fn give(path: &Path, identity: Option<Identity>) {
    if let Some(Identity {
        uid,
        gid,
        called_sudo: true,
    }) = identity
        && path.is_file()
    {
        // Where it does not succeed the file is still written: it is open.
        let _ = std::os::unix::fs::chown(path, Some(uid), Some(gid));
    }
}

/// Gives up everything but `needs`, for this thread and those that it starts from now on.
///
/// # Errors
/// Where something cannot be given up; then the program must not go on.
pub fn enter(needs: &Needs, identity: Option<Identity>) -> Result<Confined, SandboxError> {
    if let Some(identity) = identity {
        become_user(identity)?;
    }
    set_no_new_privs(true).map_err(|e| error("new privileges", e))?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).map_err(|e| error("capabilities", e))?;
    for folder in &needs.folders {
        access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|e| SandboxError {
            what: "the right to write everywhere",
            why: format!(
                "new files are to be begun in {}, which {} cannot write: {e}",
                folder.display(),
                identity.map_or_else(
                    || "this user".to_owned(),
                    |identity| format!("user {}", identity.uid)
                ),
            ),
        })?;
    }
    let files = limit_files(&needs.folders)?;
    for program in [no_clone3()?, only_needed(needs)?] {
        seccompiler::apply_filter(&program).map_err(|e| error("system calls", e))?;
    }
    Ok(Confined {
        user: identity.map(|identity| identity.uid),
        files,
    })
}

fn error(what: &'static str, why: impl fmt::Display) -> SandboxError {
    SandboxError {
        what,
        why: why.to_string(),
    }
}

fn become_user(identity: Identity) -> Result<(), SandboxError> {
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    // Groups first: the user may not change them.
    set_thread_groups(&[])
        .and_then(|()| set_thread_res_gid(gid, gid, gid))
        .and_then(|()| set_thread_res_uid(uid, uid, uid))
        .map_err(|e| error("being root", e))
}

/// Files can be made and renamed in `folders`, and the counters of the interfaces can be read. Files that are open stay
/// open.
fn limit_files(folders: &[PathBuf]) -> Result<Files, SandboxError> {
    let abi = ABI::V6;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write =
        read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(abi)))
        .and_then(|ruleset| ruleset.scope(Scope::AbstractUnixSocket))
        .and_then(|ruleset| ruleset.create())
        // Paths that do not exist are left out.
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(READABLE, read)))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(folders, write)))
        .and_then(|ruleset| ruleset.restrict_self())
        .map_err(|e| error("files", e))?;
    Ok(match status.ruleset {
        RulesetStatus::NotEnforced => Files::Unlimited,
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => Files::Limited,
    })
}

/// clone3(2) takes its flags behind a pointer, where a filter cannot look. The C library then uses clone(2).
fn no_clone3() -> Result<BpfProgram, SandboxError> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    compile(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
    )
}

fn only_needed(needs: &Needs) -> Result<BpfProgram, SandboxError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in NEEDED {
        rules.insert(*call, Vec::new());
    }
    // Refused by the other filter; where two refuse, the word of the later one would be heard.
    rules.insert(libc::SYS_clone3, Vec::new());
    // Bytes go to anything but a packet socket.
    let elsewhere = needs
        .packet_sockets
        .iter()
        .map(|socket| condition(0, SeccompCmpOp::Ne, *socket as u64))
        .collect::<Result<Vec<_>, _>>()?;
    let anywhere_else = |more: Vec<SeccompCondition>| {
        let conditions: Vec<_> = elsewhere.iter().cloned().chain(more).collect();
        if conditions.is_empty() {
            return Ok(Vec::new());
        }
        SeccompRule::new(conditions)
            .map(|rule| vec![rule])
            .map_err(|e| error("system calls", e))
    };
    for call in [
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_pwrite64,
        libc::SYS_pwritev,
    ] {
        rules.insert(call, anywhere_else(Vec::new())?);
    }
    // Threads of this program only, no process.
    rules.insert(
        libc::SYS_clone,
        rule(vec![condition(
            0,
            SeccompCmpOp::MaskedEq(libc::CLONE_THREAD as u64),
            libc::CLONE_THREAD as u64,
        )?])?,
    );
    rules.insert(
        libc::SYS_prctl,
        rule(vec![condition(
            0,
            SeccompCmpOp::Eq,
            libc::PR_SET_NAME as u64,
        )?])?,
    );
    // No copy of a descriptor, which a filter would not know again.
    let mut fcntl = Vec::new();
    for command in [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL] {
        fcntl.extend(rule(vec![condition(1, SeccompCmpOp::Eq, command as u64)?])?);
    }
    rules.insert(libc::SYS_fcntl, fcntl);
    let no_address = condition(4, SeccompCmpOp::Eq, 0)?;
    let mut sendto = Vec::new();
    if let Some(socket) = needs.notifies {
        let to_manager = condition(0, SeccompCmpOp::Eq, socket as u64)?;
        sendto.extend(rule(vec![to_manager, no_address.clone()])?);
    }
    if needs.serves {
        rules.insert(libc::SYS_accept4, Vec::new());
        rules.insert(libc::SYS_shutdown, Vec::new());
        rules.insert(
            libc::SYS_setsockopt,
            rule(vec![condition(
                1,
                SeccompCmpOp::Eq,
                libc::SOL_SOCKET as u64,
            )?])?,
        );
        sendto.extend(anywhere_else(vec![no_address])?);
    }
    if !sendto.is_empty() {
        rules.insert(libc::SYS_sendto, sendto);
    }
    if needs.shunts {
        // To look into maps that are open, and no more: nothing is made, loaded or attached.
        let mut bpf = Vec::new();
        for command in MAP_COMMANDS {
            bpf.extend(rule(vec![condition(0, SeccompCmpOp::Eq, *command)?])?);
        }
        rules.insert(libc::SYS_bpf, bpf);
    }
    compile(
        rules,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
    )
}

fn condition(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, SandboxError> {
    // All arguments looked at are ints or flags in the lower half: the kernel ignores the upper one, and so must we.
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
        .map_err(|e| error("system calls", e))
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<Vec<SeccompRule>, SandboxError> {
    SeccompRule::new(conditions)
        .map(|rule| vec![rule])
        .map_err(|e| error("system calls", e))
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, SandboxError> {
    let arch =
        TargetArch::try_from(std::env::consts::ARCH).map_err(|e| error("system calls", e))?;
    SeccompFilter::new(rules, otherwise, matched, arch)
        .and_then(BpfProgram::try_from)
        .map_err(|e| error("system calls", e))
}

/// BPF_MAP_LOOKUP_ELEM, _UPDATE_ELEM, _DELETE_ELEM and _GET_NEXT_KEY of bpf(2).
const MAP_COMMANDS: &[u64] = &[1, 2, 3, 4];
/// The kernel's own number for "nobody".
const NOBODY: u32 = 65_534;

/// What is read of the system while it runs: the counters of interfaces (`/sys/class/net` links into `/sys/devices`),
/// and the program's own memory.
const READABLE: &[&str] = &["/sys/class/net", "/sys/devices", "/proc/self"];

/// Calls that are harmless whatever their arguments: none of them sends, starts a process, opens a socket or copies a
/// descriptor. What they may do to files, Landlock decides.
const NEEDED: &[i64] = &[
    // Reading packets, files and the terminal.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_getsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_ioctl,
    libc::SYS_ppoll,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    // Files of the output.
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_ftruncate,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads and signals.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_prlimit64,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Time and chance.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    // The same under the names of older kernels, which the C library of this processor still uses.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_becomes_who_called_sudo_or_nobody() {
        let nobody = Identity::of(None, None);
        assert_eq!((nobody.uid, nobody.called_sudo), (NOBODY, false));
        for (uid, gid) in [
            (Some(0), Some(0)),
            (Some(1000), Some(0)),
            (Some(u32::MAX), Some(1000)),
            (Some(1000), None),
        ] {
            assert_eq!(Identity::of(uid, gid), nobody, "{uid:?} {gid:?}");
        }
        let caller = Identity::of(Some(1000), Some(1001));
        assert_eq!((caller.uid, caller.gid), (1000, 1001));
        assert!(caller.called_sudo);
    }

    #[test]
    fn nothing_that_sends_or_copies_a_descriptor_is_always_allowed() {
        for call in [
            libc::SYS_write,
            libc::SYS_writev,
            libc::SYS_pwrite64,
            libc::SYS_pwritev,
            libc::SYS_pwritev2,
            libc::SYS_sendto,
            libc::SYS_sendmsg,
            libc::SYS_sendmmsg,
            libc::SYS_sendfile,
            libc::SYS_splice,
            libc::SYS_vmsplice,
            libc::SYS_tee,
            libc::SYS_io_uring_setup,
            libc::SYS_io_submit,
            libc::SYS_socket,
            libc::SYS_bind,
            libc::SYS_connect,
            libc::SYS_setsockopt,
            libc::SYS_dup,
            libc::SYS_dup3,
            libc::SYS_fcntl,
            libc::SYS_pidfd_getfd,
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_bpf,
        ] {
            assert!(!NEEDED.contains(&call), "{call}");
        }
    }
}
