//! Paths whose names strangers chose.

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::path::PathBuf;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use crate::attempt::names;

/// A path on this host. Whoever made it chose its name, so it is escaped when
/// it is shown.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPath(
    #[borsh(
        serialize_with = "crate::codec::path::write",
        deserialize_with = "crate::codec::path::read"
    )]
    PathBuf,
);

impl HostPath {
    /// To open it.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl From<PathBuf> for HostPath {
    fn from(path: PathBuf) -> Self {
        Self(path)
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        names::write_printable(f, self.0.as_os_str().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_command_a_terminal() {
        let path = std::ffi::OsStr::from_bytes(b"/kubepods/\x1b[2J\xff");
        let path = HostPath::from(PathBuf::from(path));
        assert_eq!(path.to_string(), "/kubepods/\\x1b[2J\\xff");
    }
}
