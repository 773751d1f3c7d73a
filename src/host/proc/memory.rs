//! What a control group may have of the memory: `memory.max` and `memory.events.local`, or
//! `memory.limit_in_bytes` and `memory.failcnt` of version 1.

use super::Root;
use super::cgroup::Version;
use super::root::value_of;

const FILE_MAX: u64 = 4 << 10;

/// Version 1 has no word for "no limit", but the largest number of whole pages
/// (`PAGE_COUNTER_MAX`, include/linux/page_counter.h): with the largest pages, of 64 KiB, it
/// is still above this.
const UNLIMITED: u64 = (i64::MAX as u64) >> 20 << 20;

/// One look at a control group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStat {
    /// Octets that all processes in it may have together, if that is limited.
    pub limit: Option<u64>,
    /// How often its own limit was in the way: of version 2 when nothing could be freed
    /// (`oom`), of version 1 each time (`failcnt`). `None` if the kernel does not say
    /// (`memory.events.local` came with Linux 5.2).
    pub hits: Option<u64>,
}

impl MemoryStat {
    /// Of the group whose folder this is. `None` if it is gone, or has no memory
    /// controller.
    pub fn read(group: &Root, version: Version) -> Option<Self> {
        let file = |name: &str| group.text(name, FILE_MAX).ok();
        match version {
            Version::V1 => parse_v1(&file("memory.limit_in_bytes")?, file("memory.failcnt")),
            Version::V2 => parse_v2(&file("memory.max")?, file("memory.events.local")),
        }
    }
}

pub(super) fn parse_v1(limit: &str, hits: Option<String>) -> Option<MemoryStat> {
    let limit: u64 = limit.trim().parse().ok()?;
    Some(MemoryStat {
        limit: (limit < UNLIMITED).then_some(limit),
        hits: hits.and_then(|hits| hits.trim().parse().ok()),
    })
}

/// `max` is no limit (Documentation/admin-guide/cgroup-v2.rst).
pub(super) fn parse_v2(limit: &str, events: Option<String>) -> Option<MemoryStat> {
    Some(MemoryStat {
        limit: match limit.trim() {
            "max" => None,
            number => Some(number.parse().ok()?),
        },
        hits: events.and_then(|events| value_of(&events, "oom")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: &str = "low 0\nhigh 0\nmax 371\noom 3\noom_kill 2\noom_group_kill 0\n";

    #[test]
    fn both_versions_say_the_same() {
        let stat = |limit| MemoryStat {
            limit,
            hits: Some(3),
        };
        let v1 = |limit| parse_v1(limit, Some("3\n".to_owned()));
        let v2 = |limit| parse_v2(limit, Some(EVENTS.to_owned()));
        assert_eq!(v1("178257920\n"), Some(stat(Some(178_257_920))));
        assert_eq!(v2("178257920\n"), Some(stat(Some(178_257_920))));
        assert_eq!(v1("9223372036854771712\n"), Some(stat(None)));
        assert_eq!(v1("9223372036854710272\n"), Some(stat(None)), "64 KiB");
        assert_eq!(v2("max\n"), Some(stat(None)));
    }

    #[test]
    fn what_is_not_there_is_not_made_up() {
        let unknown = |limit| {
            Some(MemoryStat {
                limit: Some(limit),
                hits: None,
            })
        };
        assert_eq!(parse_v2("5\n", None), unknown(5));
        assert_eq!(parse_v2("5\n", Some("oom\nx 1\n".to_owned())), unknown(5));
        assert_eq!(parse_v1("5\n", Some("-1\n".to_owned())), unknown(5));
        for junk in ["", "x", "-1", "99999999999999999999"] {
            assert_eq!(parse_v1(junk, None), None, "{junk:?}");
            assert_eq!(parse_v2(junk, None), None, "{junk:?}");
        }
    }

    #[test]
    fn a_group_that_is_gone_is_no_reading() {
        let nowhere = Root::at("/nonexistent");
        assert_eq!(MemoryStat::read(&nowhere, Version::V1), None);
        assert_eq!(MemoryStat::read(&nowhere, Version::V2), None);
    }
}
