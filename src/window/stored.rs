//! A closed window as octets, to be read again by a later run of the same kerno.

use std::fmt;
use std::io;
use std::io::Read as _;
use std::io::Write as _;

use borsh::BorshDeserialize as _;
use borsh::BorshSerialize as _;

use super::ClosedWindow;
use super::names::Names;
use crate::attempt::hashing;

/// Raise it whenever a type that is written changes, or Borsh or the hashes do: the test
/// below fails then. Of other numbers only the one before is read.
const FORMAT: u16 = 5;
/// The same but for its end: it says nothing of attribution.
const FORMAT_BEFORE: u16 = 4;
/// Of a window; what it takes is bounded by the tables that it has, at some 30 MB.
const OCTETS_MAX: u64 = 64 << 20;
/// A minute of a host that asks 10,000 times a second is smaller by an eighth than with zstd's
/// own level, 3, and level 9 makes it no smaller.
const LEVEL: i32 = 6;
/// For a window in memory, which is packed every ten seconds: all of it takes two fifths of the time
/// that it takes with [`LEVEL`], and the result is larger by a sixth.
const MEMORY_LEVEL: i32 = 1;
/// Of what has to be kept at hand to read it, as a power of two: a hostile file says more.
const LOOK_BACK_MAX: u32 = 23;
const HEAD: usize = 2 + 8;

/// Why stored octets make no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It was written by a kerno that writes windows otherwise.
    Format,
    /// Its hashes of names were made with another key.
    Key,
    /// It is not what was written.
    Corrupt,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "another version of kerno wrote it",
            Self::Key => "it was written with another key",
            Self::Corrupt => "it is damaged",
        })
    }
}

impl ClosedWindow {
    /// Compressed, with these names.
    pub fn store(mut self, names: Names) -> io::Result<Vec<u8>> {
        self.forget_names(names);
        self.write(LEVEL)
    }

    /// Compressed, with all that it has, for a while in memory.
    pub fn pack(&self) -> io::Result<Vec<u8>> {
        self.write(MEMORY_LEVEL)
    }

    fn write(&self, level: i32) -> io::Result<Vec<u8>> {
        let mut octets = Vec::from(FORMAT.to_le_bytes());
        octets.extend(hashing::mark().to_le_bytes());
        let mut to = zstd::stream::Encoder::new(octets, level)?;
        to.include_checksum(true)?;
        let mut to = io::BufWriter::new(to);
        self.serialize(&mut to)?;
        to.flush()?;
        to.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .finish()
    }

    /// Reads what [`Self::store`] or [`Self::pack`] wrote. Takes no more memory than a window may, whatever
    /// the octets are.
    pub fn restore(octets: &[u8]) -> Result<Self, Unreadable> {
        let (head, packed) = octets.split_at_checked(HEAD).ok_or(Unreadable::Corrupt)?;
        let (format, mark) = head.split_at(2);
        // What stands where a window of this number ends: no attribution.
        let missing: &[u8] = match u16::from_le_bytes([format[0], format[1]]) {
            FORMAT => &[],
            FORMAT_BEFORE => &[0],
            _ => return Err(Unreadable::Format),
        };
        if mark != hashing::mark().to_le_bytes() {
            return Err(Unreadable::Key);
        }
        let read = || -> io::Result<Self> {
            let mut from = zstd::stream::Decoder::with_buffer(packed)?.single_frame();
            from.window_log_max(LOOK_BACK_MAX)?;
            let mut from = io::BufReader::new(from.take(OCTETS_MAX).chain(missing));
            let window = Self::deserialize_reader(&mut from)?;
            // Behind the end is the checksum, and nothing else.
            match from.read(&mut [0])? {
                0 => Ok(window),
                _ => Err(io::ErrorKind::InvalidData.into()),
            }
        };
        read().map_err(|_| Unreadable::Corrupt)
    }

    /// Takes names of queries out of it.
    fn forget_names(&mut self, names: Names) {
        if names < Names::All {
            self.seen.incidents.forget_names(names == Names::Failed);
        }
        self.names = self.names.min(names);
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
#[cfg(test)]
mod tests;
