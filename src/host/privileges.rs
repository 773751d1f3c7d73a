//! What kerno gives up before it watches: rights, calls and places to write that it has no
//! use for. Threads that are started afterwards have no more than this one.
//!
//! No Landlock rules: whoever is below any may not look at other processes' `/proc/PID/root`
//! and `/proc/PID/ns` (the kernel's Documentation/userspace-api/landlock.rst, "Ptrace
//! restrictions"), which is where kerno reads the resolv.conf of containers. The same is had by
//! mounts that are read-only for this process alone.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::Context as _;
use anyhow::Result;
use caps::CapSet;
use caps::Capability;
use caps::CapsHashSet;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::sched::CloneFlags;
use nix::sched::unshare;
use seccompiler::BpfProgram;
use seccompiler::SeccompAction;
use seccompiler::SeccompCmpArgLen;
use seccompiler::SeccompCmpOp;
use seccompiler::SeccompCondition;
use seccompiler::SeccompFilter;
use seccompiler::SeccompRule;

/// Rights that kerno has a use for while it watches, beyond what any process has.
const KEPT: &[Capability] = &[
    Capability::CAP_BPF,             // its maps, and programs on demand
    Capability::CAP_PERFMON,         // programs that read the kernel's memory
    Capability::CAP_NET_ADMIN,       // programs on control groups
    Capability::CAP_SYS_ADMIN,       // network namespaces; BPF on kernels before 5.8
    Capability::CAP_SYS_PTRACE,      // files and namespaces of other processes
    Capability::CAP_DAC_READ_SEARCH, // control groups by their id; files of others
    Capability::CAP_SYSLOG,          // names of the kernel's functions
    Capability::CAP_SYS_RESOURCE,    // locked memory, which maps were before 5.11
];

/// Calls that only somebody else's code would make here. Namespaces are entered, so
/// `setns` and `unshare` are not among them, nor is `execve`, by which files of strangers
/// are read in a process of their own.
const DENIED: &[libc::c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_mknodat,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
];

/// The type of a socket without its flags, include/linux/net.h.
const SOCKET_TYPE_MASK: u64 = 0xf;

/// Gives up what is not needed for watching. Writing goes on below the folders named (or, where
/// one is still to be made, below the first that is there of those it is in), and nowhere
/// else. Descriptors that are open stay as they are.
///
/// What the kernel, or whoever started kerno, does not let it give up is logged: kerno works
/// with more rights as well.
pub fn lower(writable: &[&Path]) {
    for (what, done) in [
        ("mounts of its own, read-only", make_read_only(writable)),
        ("a filter of system calls", filter_calls()),
        ("fewer capabilities", drop_capabilities()),
    ] {
        match done {
            Ok(()) => log::debug!("kerno has {what}"),
            Err(why) => log::info!("kerno goes on without {what}: {why:#}"),
        }
    }
}

/// All mounts, for this thread and those that it starts. `mount_setattr` is of Linux 5.12.
fn make_read_only(writable: &[&Path]) -> Result<()> {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS).context("unshare")?;
    // What others mount and unmount later is seen here, too, but not the other way round.
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE)
        .context("mount --make-rslave /")?;
    let mut folders = Vec::new();
    for &folder in writable {
        let folder = std::path::absolute(folder)?;
        folders.extend(
            folder
                .ancestors()
                .find(|it| it.is_dir())
                .map(Path::to_owned),
        );
    }
    for folder in &folders {
        // One may lie in another, whose mount would hide its own.
        let with_those_below = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(folder), folder, NONE, with_those_below, NONE)
            .with_context(|| format!("mount --bind {}", folder.display()))?;
    }
    set_read_only(Path::new("/"), true).context("mount_setattr")?;
    for folder in &folders {
        set_read_only(folder, false)
            .with_context(|| format!("mount_setattr {}", folder.display()))?;
    }
    Ok(())
}

fn set_read_only(folder: &Path, yes: bool) -> io::Result<()> {
    let path = CString::new(folder.as_os_str().as_bytes())?;
    // SAFETY: all octets zero are a valid mount_attr.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    let flags = match yes {
        true => {
            attributes.attr_set = libc::MOUNT_ATTR_RDONLY;
            libc::AT_RECURSIVE
        }
        false => {
            attributes.attr_clr = libc::MOUNT_ATTR_RDONLY;
            0
        }
    };
    // SAFETY: the path ends, and the struct is as long as is said.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Each denied call fails with EPERM, and so does a socket that could connect to another
/// machine over TCP. Who executes a program gains nothing by it (`no_new_privs`).
fn filter_calls() -> Result<()> {
    let mut rules: BTreeMap<libc::c_long, Vec<SeccompRule>> =
        DENIED.iter().map(|&call| (call, Vec::new())).collect();
    let tcp = |family: libc::c_int| {
        let is = |index, operator, value: libc::c_int| {
            SeccompCondition::new(
                index,
                SeccompCmpArgLen::Dword,
                operator,
                u64::from(value.unsigned_abs()),
            )
        };
        SeccompRule::new(vec![
            is(0, SeccompCmpOp::Eq, family)?,
            is(
                1,
                SeccompCmpOp::MaskedEq(SOCKET_TYPE_MASK),
                libc::SOCK_STREAM,
            )?,
        ])
    };
    rules.insert(
        libc::SYS_socket,
        vec![tcp(libc::AF_INET)?, tcp(libc::AF_INET6)?],
    );
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    // It sets no_new_privs first.
    seccompiler::apply_filter(&program)?;
    Ok(())
}

/// What is kept must have been there.
fn drop_capabilities() -> Result<()> {
    let kept: CapsHashSet = KEPT.iter().copied().collect();
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        for capability in caps::read(None, CapSet::Bounding)?.difference(&kept) {
            caps::drop(None, CapSet::Bounding, *capability)?;
        }
    }
    caps::clear(None, CapSet::Ambient)?;
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        let held = caps::read(None, set)?;
        caps::set(None, set, &held.intersection(&kept).copied().collect())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
