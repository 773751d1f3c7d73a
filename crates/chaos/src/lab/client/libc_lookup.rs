//! Lookups by the C library itself, as nearly every program makes them.

use std::ffi::CString;
use std::fs;
use std::path::Path;
use std::ptr;

use anyhow::Context as _;
use anyhow::Result;
use nix::mount::MsFlags;
use nix::mount::mount;

use crate::testbed::own_mounts;

/// glibc asks the name service cache daemon first, if there is one.
const NSCD: &str = "/run/nscd";

/// Gives this process a mount namespace with an /etc of its own, in which there
/// is nothing but this resolv.conf and the advice to ask DNS alone. It must have
/// one thread.
pub(super) fn prepare(resolv_conf: &str) -> Result<()> {
    let own = || -> nix::Result<()> {
        own_mounts()?;
        for folder in ["/etc", NSCD] {
            if Path::new(folder).exists() {
                let nothing = MsFlags::empty();
                mount(Some("lab"), folder, Some("tmpfs"), nothing, None::<&str>)?;
            }
        }
        Ok(())
    };
    own().context("cannot make a mount namespace with an /etc of its own")?;
    for (file, content) in [
        ("/etc/resolv.conf", resolv_conf),
        ("/etc/nsswitch.conf", "hosts: dns\n"),
    ] {
        fs::write(file, content).with_context(|| format!("cannot write the lab's own {file}"))?;
    }
    Ok(())
}

/// Whether `getaddrinfo` finds addresses of both types together.
pub(super) fn resolves(name: &str) -> bool {
    let Ok(name) = CString::new(name) else {
        return false;
    };
    // SAFETY: all octets zero are valid hints: any family.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut found = ptr::null_mut();
    // SAFETY: name and hints live until it returns, a service is not asked for.
    let failed =
        unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &raw const hints, &raw mut found) };
    if failed != 0 {
        return false;
    }
    // SAFETY: it is what getaddrinfo gave, once.
    unsafe { libc::freeaddrinfo(found) };
    true
}
