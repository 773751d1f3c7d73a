//! A query, in flight or ended, as far as a discarded packet can be compared with
//! it.

use crate::attempt::Attempt;
use crate::attempt::RawQuestion;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::event::DISCARDED_QUESTION_MAX;
use crate::event::InFlight;

/// Octets of a label, RFC 1035 section 2.3.4; more is a pointer.
const LABEL_MAX: usize = 63;

/// What a query and its answer share: the beginning of the question, without what
/// follows it, in small letters (servers may change the case, RFC 4343).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct QuestionKey(Box<[u8]>);

impl QuestionKey {
    pub(super) fn new(question: &RawQuestion) -> Self {
        let octets = question.as_bytes();
        let whole = octets.len();
        let (len, name) = question_len(octets).unwrap_or((whole, whole));
        let mut key: Box<[u8]> = octets[..len.min(whole).min(DISCARDED_QUESTION_MAX)].into();
        // Lengths of labels are below the letters (RFC 1035 section 4.1.4).
        let name = name.min(key.len());
        key[..name].make_ascii_lowercase();
        Self(key)
    }
}

/// Octets of the question, and of the name in it; `None` if it is not complete.
fn question_len(octets: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    loop {
        let label = usize::from(*octets.get(at)?);
        if label > LABEL_MAX {
            return None;
        }
        at += 1 + label;
        if label == 0 {
            break;
        }
    }
    Some((at + 4, at))
}

#[derive(Clone, Debug)]
pub(super) struct QueryKey {
    pub(super) role: Role,
    pub(super) transport: Transport,
    pub(super) cookie: u64,
    pub(super) netns: u32,
    /// `None` for a TCP connection.
    pub(super) id: Option<u16>,
    pub(super) client_port: u16,
    pub(super) question: QuestionKey,
    pub(super) sent_ns: u64,
    /// The end of time while it is in flight.
    pub(super) ended_ns: u64,
}

impl QueryKey {
    pub(super) fn of_query(query: &InFlight<'_>) -> Self {
        Self {
            role: query.role,
            transport: query.transport,
            cookie: query.cookie,
            netns: query.netns,
            id: Some(query.id),
            client_port: query.client_port,
            question: QuestionKey::new(&RawQuestion::new(query.question)),
            sent_ns: query.newest_ns,
            ended_ns: u64::MAX,
        }
    }

    pub(super) fn of_attempt(attempt: &Attempt) -> Self {
        Self {
            role: attempt.role,
            transport: attempt.transport,
            cookie: attempt.cookie,
            netns: attempt.owner.netns,
            id: attempt.id,
            client_port: attempt.client().port(),
            question: QuestionKey::new(&attempt.question),
            sent_ns: attempt.sent_ns,
            ended_ns: attempt.end_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(octets: &[u8]) -> QuestionKey {
        QuestionKey::new(&RawQuestion::new(octets))
    }

    #[test]
    fn a_query_and_its_answer_have_one_key() {
        let query = question(b"\x01a\x02Xy\0\0\x41\0\x01\0\0\x29\x04\xd0");
        let answer = question(b"\x01A\x02xy\0\0\x41\0\x01\xc0\x0c\0\x01\0\x01\0\0");
        assert_eq!(query, answer);
        // The type is no letter.
        assert_ne!(query, question(b"\x01a\x02xy\0\0\x61\0\x01"));
        assert_ne!(query, question(b"\x01a\x02xz\0\0\x41\0\x01"));
    }

    #[test]
    fn a_long_question_is_known_by_what_is_kept_of_it() {
        let whole = [
            &b"\x3f"[..],
            &[b'a'; 63],
            b"\x3f",
            &[b'b'; 63],
            b"\0\0\x01\0\x01",
        ]
        .concat();
        assert_eq!(question(&whole), question(&whole[..64]));
        assert_ne!(question(&whole), question(&whole[..63]));
    }

    #[test]
    fn junk_is_compared_as_it_is() {
        for junk in [&b""[..], b"\xc0\x0c", b"\x05ab", b"\0", b"\0\0\x01"] {
            assert_eq!(question(junk), question(junk));
        }
        assert_ne!(question(b""), question(b"\0"));
    }
}
