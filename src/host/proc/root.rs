//! Below which folder files are read, and never more of them than was asked for.

use std::fs;
use std::fs::File;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::os::linux::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;

/// Enough for every file read here on any sane machine.
pub const MIB: u64 = 1 << 20;

/// The folder that stands for `/`, or one below it: this host's own, or one that a
/// test has filled. For files of the kernel; those of strangers are opened with
/// [`untrusted`](super::untrusted).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Default for Root {
    fn default() -> Self {
        Self::at("/")
    }
}

impl Root {
    /// This folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The folder of a process.
    pub fn process(&self, pid: u32) -> Self {
        self.below(format!("proc/{pid}"))
    }

    /// A folder in it; a slash at the beginning does not lead out of it.
    pub fn below(&self, folder: impl AsRef<Path>) -> Self {
        Self(self.path(folder))
    }

    /// Where something in it is; as for [`Self::below`].
    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        let below = below.as_ref();
        self.0.join(below.strip_prefix("/").unwrap_or(below))
    }

    /// Up to `max` octets of a file.
    pub fn octets(&self, file: impl AsRef<Path>, max: u64) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        let file = File::open(self.path(file))?;
        file.take(max).read_to_end(&mut octets)?;
        Ok(octets)
    }

    /// The same as text; what is no UTF-8 is replaced.
    pub fn text(&self, file: impl AsRef<Path>, max: u64) -> io::Result<String> {
        let octets = self.octets(file, max)?;
        Ok(String::from_utf8_lossy(&octets).into_owned())
    }

    /// The lines in up to `max` octets of a file that are UTF-8, one by one.
    pub fn lines(&self, file: &str, max: u64) -> io::Result<impl Iterator<Item = String> + use<>> {
        let table = BufReader::new(File::open(self.path(file))?.take(max));
        let lines = table.split(b'\n').map_while(Result::ok);
        Ok(lines.filter_map(|line| String::from_utf8(line).ok()))
    }

    /// Names in a folder that are numbers: processes, threads.
    pub fn numbers(&self, folder: &str) -> impl Iterator<Item = u32> + use<> {
        fs::read_dir(self.path(folder))
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
    }

    /// The number of a folder, by which one that was made anew in its place is told from it.
    pub fn folder_id(&self, folder: impl AsRef<Path>) -> Option<u64> {
        let metadata = fs::metadata(self.path(folder)).ok()?;
        metadata.is_dir().then(|| metadata.st_ino())
    }

    /// Inode number of a file of 32 bits, as namespaces have (`struct ns_common`).
    pub fn inode(&self, file: impl AsRef<Path>) -> io::Result<u32> {
        let inode = fs::metadata(self.path(file))?.st_ino();
        u32::try_from(inode).map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

/// The value behind a name, in files of lines `name value`.
pub(super) fn value_of(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_above_it_or_beyond_what_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        fs::create_dir_all(root.path("proc/7/task/8")).unwrap();
        fs::write(root.path("/proc/7/stat"), b"one\n\xff\ntwo\nthree").unwrap();
        let process = root.process(7);
        assert_eq!(process.text("/stat", 3).unwrap(), "one");
        let lines: Vec<_> = process.lines("stat", 10).unwrap().collect();
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(root.numbers("proc").collect::<Vec<_>>(), [7]);
        assert_eq!(process.numbers("task").collect::<Vec<_>>(), [8]);
        assert_eq!(process.numbers("nothing").count(), 0);
        assert!(process.octets("nothing", 1).is_err());
    }

    #[test]
    fn a_file_without_an_end_ends() {
        let zeros = Root::default().octets("dev/zero", 1000).unwrap();
        assert_eq!(zeros.len(), 1000);
    }
}
