//! Which host a report is about.

use nix::sys::utsname::uname;
use serde::Serialize;

/// Name, kernel and architecture, as `uname` tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Host name.
    pub name: String,
    /// Kernel release.
    pub kernel: String,
    /// Architecture in the kernel's words, as `x86_64`.
    pub arch: String,
}

impl Facts {
    /// Asks the kernel.
    pub fn gather() -> Self {
        let Ok(names) = uname() else {
            return Self {
                name: "unknown".to_owned(),
                kernel: "unknown".to_owned(),
                arch: std::env::consts::ARCH.to_owned(),
            };
        };
        Self {
            name: names.nodename().to_string_lossy().into_owned(),
            kernel: names.release().to_string_lossy().into_owned(),
            arch: names.machine().to_string_lossy().into_owned(),
        }
    }
}
