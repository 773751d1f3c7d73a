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

/// Counts of what a host has sent: sums of many of them are counts as well.
pub mod count {
    use super::*;

    /// A million a second, for nearly nine years.
    const MOST: u64 = 1 << 48;

    /// Writes one.
    pub fn write<W: Write>(it: &u64, to: &mut W) -> Result<()> {
        it.serialize(to)
    }

    /// Reads one.
    pub fn read<R: Read>(from: &mut R) -> Result<u64> {
        let count = u64::deserialize_reader(from)?;
        match count <= MOST {
            true => Ok(count),
            false => Err(invalid("more than anybody can count")),
        }
    }
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
    use std::time::Duration;
    use std::time::SystemTime;

    use super::*;

    /// The last one that can be told, since 1970: RFC 3339 has years of four digits.
    pub const LAST: Duration = Duration::from_secs(253_402_300_799);
    /// So much may be added to one that was read: what the kernel's clock counts.
    const COUNTED: Duration = Duration::from_nanos(u64::MAX);

    /// Writes one.
    pub fn write<W: Write>(it: &SystemTime, to: &mut W) -> Result<()> {
        let since = it.duration_since(SystemTime::UNIX_EPOCH);
        duration::write(&since.unwrap_or_default(), to)
    }

    /// Reads one.
    pub fn read<R: Read>(from: &mut R) -> Result<SystemTime> {
        let since = duration::read(from)?;
        match since <= LAST.saturating_sub(COUNTED) {
            true => Ok(SystemTime::UNIX_EPOCH + since),
            false => Err(invalid("no time")),
        }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_nobody_can_count_is_no_count() {
        let read = |count: u64| count::read(&mut &count.to_le_bytes()[..]).ok();
        assert_eq!(read(1 << 48), Some(1 << 48));
        assert_eq!((read((1 << 48) + 1), read(u64::MAX)), (None, None));
        // Attempts are such counts: as the fuzzer found them, all of a window are added up.
        let read = |last: u64| {
            let octets = borsh::to_vec(&[1, 2, 3, 4, 5, last, 0]).expect("they are written");
            crate::collect::OutcomeTotals::deserialize_reader(&mut &octets[..]).ok()
        };
        assert_eq!(read(6).map(|it| it.queries()), Some(21));
        assert_eq!(read(u64::MAX), None);
    }

    #[test]
    fn a_time_that_cannot_be_told_is_none() {
        let read = |seconds: u64| {
            let octets = borsh::to_vec(&(seconds, 0_u32)).expect("it is written");
            time::read(&mut &octets[..])
        };
        let told = read(1_800_000_000).expect("a time");
        // The latest that the kernel's clock can make of it.
        let last = read(time::LAST.as_secs() - 18_446_744_074).expect("a time");
        for time in [told, last + Duration::from_nanos(u64::MAX)] {
            let _told = humantime::format_rfc3339_nanos(time).to_string();
        }
        assert!(read(time::LAST.as_secs()).is_err());
        assert!(read(u64::MAX).is_err());
    }
}
