//! What a guest finds as its root: an initramfs with busybox, kerno, the job,
//! and an `init` that does it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;

use crate::broken;
use crate::cpio::Archive;
use crate::selftest;

/// Debian's place, and that of systems with one folder for programs.
const BUSYBOX: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];

/// Begin of the loader's name in a dynamic program, near the program's begin; of arm64 it is
/// in `/lib`.
const LOADERS: [&[u8]; 2] = [b"/lib64/ld-", b"/lib/ld-"];

/// Files that jobs need, made once for all of them.
pub(crate) struct Roots {
    /// The static kerno.
    pub(crate) kerno: PathBuf,
    /// The same with one broken program.
    pub(crate) broken_kerno: PathBuf,
    /// A root with either.
    pub(crate) whole: PathBuf,
    pub(crate) broken: PathBuf,
    /// A root whose first process never ends.
    pub(crate) hanging: PathBuf,
}

impl Roots {
    /// With this machine's busybox, or another machine's.
    pub(crate) fn make(kerno: &Path, busybox: Option<&Path>, scratch: &Path) -> Result<Self> {
        fs::create_dir_all(scratch)?;
        let whole = fs::read(kerno).with_context(|| format!("cannot read {}", kerno.display()))?;
        let busybox = match busybox {
            Some(path) => fs::read(path).ok(),
            None => BUSYBOX.iter().find_map(|path| fs::read(path).ok()),
        };
        let busybox = busybox.context("busybox is not installed: make setup (busybox-static)")?;
        let busybox = busybox.as_slice();
        ensure!(
            !needs_a_loader(&whole) && !needs_a_loader(busybox),
            "a guest has no libraries: kerno and busybox must be static (Debian's busybox-static)"
        );
        let broken = broken::with_broken(selftest::PROGRAM, &whole)?;
        let write = |name: &str, content: &[u8]| -> Result<PathBuf> {
            let path = scratch.join(name);
            fs::write(&path, content)
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path)
        };
        let root = |kerno: &[u8], init: &str| archive(kerno, busybox, init);
        let init = include_str!("init.sh");
        let broken_kerno = write("kerno-broken", &broken)?;
        fs::set_permissions(&broken_kerno, fs::Permissions::from_mode(0o755))?;
        Ok(Self {
            kerno: kerno.to_owned(),
            broken_kerno,
            whole: write("root", &root(&whole, init))?,
            broken: write("root-broken", &root(&broken, init))?,
            hanging: write("root-hanging", &root(&[], selftest::HANGING_INIT))?,
        })
    }
}

/// Whether it names the program that loads its libraries (`PT_INTERP`).
fn needs_a_loader(binary: &[u8]) -> bool {
    let begin = &binary[..binary.len().min(4096)];
    let names = |loader: &&[u8]| begin.windows(loader.len()).any(|it| it == *loader);
    LOADERS.iter().any(names)
}

fn archive(kerno: &[u8], busybox: &[u8], init: &str) -> Vec<u8> {
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "out", "proc", "sys", "tmp"] {
        archive.folder(folder);
    }
    // Before devtmpfs is mounted, the first process talks to this.
    archive.character_device("dev/console", 5, 1);
    archive.program("init", init.as_bytes());
    archive.program("job.sh", include_bytes!("job.sh"));
    archive.program("bin/busybox", busybox);
    archive.program("bin/kerno", kerno);
    archive.finish()
}
