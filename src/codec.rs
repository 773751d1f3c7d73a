//! How types of other crates are written into a stored window, and read from it. Fields name
//! one of these modules, where Borsh has no form of its own for their type.

use std::io::Error;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Result;
use std::io::Write;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

/// Durations: seconds, and nanoseconds of the next.
pub mod duration {
    use std::time::Duration;

    use super::*;

    /// Writes one.
    pub fn write<W: Write>(it: &Duration, to: &mut W) -> Result<()> {
        (it.as_secs(), it.subsec_nanos()).serialize(to)
    }

    /// Reads one.
    pub fn read<R: Read>(from: &mut R) -> Result<Duration> {
        let (seconds, nanoseconds) = <(u64, u32)>::deserialize_reader(from)?;
        match nanoseconds < 1_000_000_000 {
            true => Ok(Duration::new(seconds, nanoseconds)),
            false => Err(invalid("no duration")),
        }
    }
}

/// Durations that may be absent.
pub mod maybe_duration {
    use std::time::Duration;

    use super::*;

    /// Writes one, or none.
    pub fn write<W: Write>(it: &Option<Duration>, to: &mut W) -> Result<()> {
        it.is_some().serialize(to)?;
        it.map_or(Ok(()), |it| duration::write(&it, to))
    }

    /// Reads one, or none.
    pub fn read<R: Read>(from: &mut R) -> Result<Option<Duration>> {
        let is_some = bool::deserialize_reader(from)?;
        is_some.then(|| duration::read(from)).transpose()
    }
}

/// Moments by the wall clock; none before 1970.
pub mod time {
    use std::time::SystemTime;

    use super::*;

    /// Writes one.
    pub fn write<W: Write>(it: &SystemTime, to: &mut W) -> Result<()> {
        let since = it.duration_since(SystemTime::UNIX_EPOCH);
        duration::write(&since.unwrap_or_default(), to)
    }

    /// Reads one.
    pub fn read<R: Read>(from: &mut R) -> Result<SystemTime> {
        let since = duration::read(from)?;
        let time = SystemTime::UNIX_EPOCH.checked_add(since);
        time.ok_or_else(|| invalid("no time"))
    }
}

/// Types of questions, by their numbers.
pub mod rtype {
    use domain::base::iana::Rtype;

    use super::*;

    /// Writes one.
    pub fn write<W: Write>(it: &Rtype, to: &mut W) -> Result<()> {
        it.to_int().serialize(to)
    }

    /// Reads one.
    pub fn read<R: Read>(from: &mut R) -> Result<Rtype> {
        u16::deserialize_reader(from).map(Rtype::from_int)
    }
}

/// Response codes with the bits of EDNS, by their numbers.
pub mod rcode {
    use domain::base::iana::OptRcode;

    use super::*;

    /// Writes one.
    pub fn write<W: Write>(it: &OptRcode, to: &mut W) -> Result<()> {
        it.to_int().serialize(to)
    }

    /// Reads one.
    pub fn read<R: Read>(from: &mut R) -> Result<OptRcode> {
        u16::deserialize_reader(from).map(OptRcode::masked_from_int)
    }
}

/// Response codes that may be absent.
pub mod maybe_rcode {
    use domain::base::iana::OptRcode;

    use super::*;

    /// Writes one, or none.
    pub fn write<W: Write>(it: &Option<OptRcode>, to: &mut W) -> Result<()> {
        it.map(|it| it.to_int()).serialize(to)
    }

    /// Reads one, or none.
    pub fn read<R: Read>(from: &mut R) -> Result<Option<OptRcode>> {
        let number = Option::<u16>::deserialize_reader(from)?;
        Ok(number.map(OptRcode::masked_from_int))
    }
}

/// Paths, whatever octets they have.
pub mod path {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::ffi::OsStringExt as _;
    use std::path::Path;
    use std::path::PathBuf;

    use super::*;

    /// Writes one.
    pub fn write<W: Write>(it: &Path, to: &mut W) -> Result<()> {
        it.as_os_str().as_bytes().serialize(to)
    }

    /// Reads one.
    pub fn read<R: Read>(from: &mut R) -> Result<PathBuf> {
        let octets = Vec::<u8>::deserialize_reader(from)?;
        Ok(PathBuf::from(OsString::from_vec(octets)))
    }
}
