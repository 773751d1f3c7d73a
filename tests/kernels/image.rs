//! Where the kernels are: fetched from Debian, or named by the user.

use std::env;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::promise::PROMISED;

/// Where the header of an x86 kernel image begins with `HdrS`, as in the
/// kernel's Documentation/arch/x86/boot.rst.
const HEADER: usize = 0x202;
const MAGIC: &[u8] = b"HdrS";

/// Has each promised kernel fetched that is not there yet. Returns the images in
/// the order of [`PROMISED`].
pub(crate) fn fetch() -> Result<Vec<PathBuf>> {
    let cache = cache_folder()?;
    let done = Command::new("tests/kernels/fetch-kernels")
        .arg(&cache)
        .args(PROMISED.iter().map(|promise| promise.series))
        .status()
        .context("tests/kernels/fetch-kernels does not start")?;
    if !done.success() {
        // It has said why.
        bail!("without the kernels there is nothing to verify");
    }
    let image = |series: &str| {
        let image = cache.join(series).join("vmlinuz");
        check(&image)?;
        Ok(image)
    };
    PROMISED
        .iter()
        .map(|promise| image(promise.series))
        .collect()
}

/// Fails with one sentence if the file is no kernel that the guest can boot.
pub(crate) fn check(image: &Path) -> Result<()> {
    let shown = image.display();
    let mut file = File::open(image).with_context(|| format!("cannot read the kernel {shown}"))?;
    let mut begin = Vec::new();
    file.by_ref()
        .take((HEADER + MAGIC.len()) as u64)
        .read_to_end(&mut begin)
        .with_context(|| format!("cannot read the kernel {shown}"))?;
    if begin.get(HEADER..) != Some(MAGIC) {
        bail!(
            "{shown} is not an x86-64 kernel image: give a bzImage, as distributions have it in \
             /boot/vmlinuz-VERSION (not the ELF file vmlinux)"
        );
    }
    Ok(())
}

/// Outside the checkout, by the XDG Base Directory Specification.
fn cache_folder() -> Result<PathBuf> {
    let set = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    // Not every CI sets HOME; the user has one all the same.
    let of_user = || {
        Some(
            nix::unistd::User::from_uid(nix::unistd::geteuid())
                .ok()??
                .dir,
        )
    };
    let home = || set("HOME").or_else(of_user);
    let base = set("XDG_CACHE_HOME").or_else(|| Some(home()?.join(".cache")));
    let base = base.context("neither XDG_CACHE_HOME nor a home says where kernels can be kept")?;
    Ok(base.join("kerno").join("kernels"))
}
