//! Lookups by the C library itself, as nearly every program makes them.

use std::fs;
use std::net::ToSocketAddrs as _;
use std::path::Path;

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

/// Whether the C library's `getaddrinfo`, which the standard library calls with
/// nothing but the name, finds addresses of both types together.
pub(super) fn resolves(name: &str) -> bool {
    (name, 0).to_socket_addrs().is_ok()
}
