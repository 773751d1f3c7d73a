//! What the running kernel has to hang programs on.

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::fd::FromRawFd as _;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use libbpf_rs::btf::Btf;
use libbpf_rs::btf::BtfType;
use libbpf_rs::btf::types::Func;
use libbpf_rs::btf::types::Typedef;

use crate::hook::Fentry;
use crate::hook::Kind as _;
use crate::hook::Kprobe;
use crate::hook::Kretprobe;
use crate::hook::PerfEvent;
use crate::hook::RawTracepoint;
use crate::hook::TpBtf;
use crate::module::Program;

pub(crate) struct HostHooks {
    btf: Option<Btf<'static>>,
    tracefs: Option<Tracefs>,
}

/// Where tracefs is, and the mount that holds it if it is our own.
struct Tracefs {
    path: PathBuf,
    _mount: Option<OwnedFd>,
}

impl HostHooks {
    pub(crate) fn of_this_kernel() -> Self {
        Self {
            btf: Btf::from_vmlinux().ok(),
            tracefs: Tracefs::find(),
        }
    }

    /// Why the program cannot be attached, as far as that is known before it is tried.
    pub(crate) fn lacks(&self, program: &Program) -> Option<String> {
        let target = program.target.as_str();
        let btf = self.btf.as_ref();
        if let Some((needed, why)) = program.needs {
            let found = btf?.type_by_name::<BtfType<'_>>(needed).is_some();
            if !found {
                return Some(format!("this kernel has no {needed}: {why}"));
            }
        }
        match program.kind {
            PerfEvent::SECTION => None,
            TpBtf::SECTION | RawTracepoint::SECTION => {
                let name = format!("btf_trace_{target}");
                let found = btf?.type_by_name::<Typedef<'_>>(&name).is_some();
                (!found).then(|| format!("this kernel has no tracepoint {target}"))
            }
            Fentry::SECTION => {
                let found = btf?.type_by_name::<Func<'_>>(target).is_some();
                (!found).then(|| format!("this kernel has no function {target}"))
            }
            Kprobe::SECTION | Kretprobe::SECTION => {
                if !fs::exists("/sys/bus/event_source/devices/kprobe").unwrap_or(false) {
                    return Some(format!("this kernel has no kprobes, so none on {target}"));
                }
                let found = has_symbol(target);
                (!found).then(|| format!("this kernel has no function {target}"))
            }
            _ if self.tracefs.is_none() => {
                Some("tracefs is not there, and cannot be mounted".to_owned())
            }
            _ => {
                let found = self.tracepoint_id(target).is_some();
                (!found).then(|| format!("this kernel has no tracepoint {target}"))
            }
        }
    }

    pub(crate) fn tracepoint_id(&self, target: &str) -> Option<u64> {
        let path = self
            .tracefs
            .as_ref()?
            .path
            .join("events")
            .join(target)
            .join("id");
        fs::read_to_string(path).ok()?.trim().parse().ok()
    }
}

impl Tracefs {
    fn find() -> Option<Self> {
        let usual = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
        let mut usual = usual.map(PathBuf::from).into_iter();
        let mounted = usual.find(|path| path.join("events").is_dir());
        if let Some(path) = mounted {
            return Some(Self { path, _mount: None });
        }
        let mount = mount_tracefs().ok()?;
        Some(Self {
            path: format!("/proc/self/fd/{}", mount.as_raw_fd()).into(),
            _mount: Some(mount),
        })
    }
}

/// A mount that nobody else sees, and that is gone when it is closed.
fn mount_tracefs() -> io::Result<OwnedFd> {
    const FSOPEN_CLOEXEC: libc::c_uint = 1;
    const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
    const FSMOUNT_CLOEXEC: libc::c_uint = 1;
    let owned = |fd: libc::c_long| match fd {
        0.. => {
            // SAFETY: the call has just made it, and nobody else has it.
            Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
        }
        _ => Err(io::Error::last_os_error()),
    };
    // SAFETY: a constant string that ends with 0.
    let context =
        owned(unsafe { libc::syscall(libc::SYS_fsopen, c"tracefs".as_ptr(), FSOPEN_CLOEXEC) })?;
    let nothing = std::ptr::null::<libc::c_char>();
    // SAFETY: this command takes no key and no value.
    let made = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            FSCONFIG_CMD_CREATE,
            nothing,
            nothing,
            0,
        )
    };
    if made != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: numbers only.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, 0) })
}

/// Whether the kernel has a function of this name, by its list of symbols.
fn has_symbol(name: &str) -> bool {
    let Ok(symbols) = fs::read_to_string("/proc/kallsyms") else {
        return false;
    };
    symbols.lines().any(|line| {
        let mut words = line.split_whitespace();
        let (kind, symbol) = (words.nth(1), words.next());
        symbol == Some(name) && matches!(kind, Some("t" | "T"))
    })
}
