//! Records of plain answers, known as such without decoding all of them.

use std::net::SocketAddr;

use super::decode::decode;
use super::fields::FLAG_AA;
use super::fields::FLAG_CD;
use super::fields::FLAG_RA;
use super::fields::FLAG_RD;
use super::fields::FLAG_TC;
use super::fields::RCODE_MASK;
use super::fields::address;
use super::fields::role;
use super::wire::dns_kind;
use super::wire::dns_record;
use super::wire::dns_role;
use super::wire::dns_short_record;
use crate::attempt::Attempt;
use crate::attempt::Fingerprint;
use crate::attempt::PlainExchange;
use crate::attempt::PlainStep;
use crate::attempt::Role;
use crate::event::Event;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::thresholds::QUEUED_BYTES;

/// RFC 1035 section 4.1.1.
const NOERROR: u16 = 0;
const NXDOMAIN: u16 = 3;

/// A record of the ring buffer that tells of a plain answer.
#[derive(Debug)]
pub(crate) struct PlainRecord<'a> {
    bytes: &'a [u8],
    record: &'a dns_record,
    question: &'a [u8],
    /// What was asked.
    pub(crate) fingerprint: Fingerprint,
    /// Whether its name has capital letters.
    pub(crate) has_capitals: bool,
}

/// Whether answers took much of the client's receive buffer: this one may have found no
/// room.
fn is_amid_unread(record: &dns_record) -> bool {
    role(record.role) == Role::Client && record.queued_bytes >= QUEUED_BYTES
}

/// As [`Answer::is_referral`](crate::attempt::Answer::is_referral) has it.
fn is_referral(record: &dns_record) -> bool {
    record.answers == 0
        && record.flags & (RCODE_MASK | FLAG_RD | FLAG_RA | FLAG_AA) == FLAG_RD | NOERROR
}

/// What plain answers have in common that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PlainKey {
    cgroup_id: u64,
    tgid: u32,
    netns: u32,
    comm: [u8; 16],
    server_ip: [u8; 16],
    server_port: u16,
    role: u8,
}

impl<'a> PlainRecord<'a> {
    /// `None` for everything that takes more than counting.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() != size_of::<dns_short_record>() {
            return None;
        }
        let short: &dns_short_record = plain::from_bytes(bytes).ok()?;
        let record = &short.record;
        let is_plain = u32::from(record.kind) == dns_kind::DNS_ANSWERED.0
            && i32::from(record.transport) == libc::IPPROTO_UDP
            && record.send.attempt == 1
            && record.first_ns == record.send.at_ns
            && record.owner.tgid != 0
            && (record.echoed, record.echo_len) == (0, 0)
            && (record.other_question, record.other_source) == (0, 0)
            && record.flags & FLAG_TC == 0
            && matches!(record.flags & RCODE_MASK, NOERROR | NXDOMAIN)
            && !is_referral(record)
            && !is_amid_unread(record)
            && record.end_ns >= record.send.at_ns
            && record.end_ns - record.send.at_ns <= LATENCY_WARNING_NS;
        if !is_plain {
            return None;
        }
        let question = short.question.get(..usize::from(record.question_len))?;
        let (fingerprint, has_capitals) = Fingerprint::with_case(question)?;
        Some(Self {
            bytes,
            record,
            question,
            fingerprint,
            has_capitals,
        })
    }

    pub(crate) fn key(&self) -> PlainKey {
        let record = self.record;
        let (server_ip, server_port) = match self.role() {
            Role::Client => (record.send.peer_ip, record.send.peer_port),
            Role::Server => (record.send.local_ip, record.local_port),
        };
        PlainKey {
            cgroup_id: record.owner.cgroup_id,
            tgid: record.owner.tgid,
            netns: record.owner.netns,
            comm: record.owner.comm,
            server_ip,
            server_port,
            role: record.role,
        }
    }

    pub(crate) fn role(&self) -> Role {
        role(self.record.role)
    }

    /// The asking end's port.
    pub(crate) fn client_port(&self) -> u16 {
        match dns_role(u32::from(self.record.role)) {
            dns_role::DNS_ROLE_SERVER => self.record.send.peer_port,
            _ => self.record.local_port,
        }
    }

    /// The asked end's address, and the network namespace of this one.
    pub(crate) fn way(&self) -> (u32, SocketAddr) {
        let PlainKey {
            netns,
            server_ip,
            server_port,
            ..
        } = self.key();
        (netns, address(server_ip, server_port))
    }

    pub(crate) fn sent_ns(&self) -> u64 {
        self.record.send.at_ns
    }

    pub(crate) fn cookie(&self) -> u64 {
        self.record.cookie
    }

    /// At most the threshold of what is slow.
    pub(crate) fn latency_ns(&self) -> u32 {
        u32::try_from(self.record.end_ns - self.sent_ns()).unwrap_or(u32::MAX)
    }

    pub(crate) fn is_nxdomain(&self) -> bool {
        self.record.flags & RCODE_MASK == NXDOMAIN
    }

    pub(crate) fn is_no_data(&self) -> bool {
        !self.is_nxdomain() && self.record.answers == 0
    }

    pub(crate) fn answer_bytes(&self) -> u16 {
        self.record.answer_bytes
    }

    /// Servers copy the bit from the query (RFC 4035 section 3.2.2).
    pub(crate) fn is_unchecked(&self) -> bool {
        self.record.flags & FLAG_CD != 0
    }

    /// Servers copy the bit from the query (RFC 1035 section 4.1.1).
    pub(crate) fn wants_recursion(&self) -> bool {
        self.record.flags & FLAG_RD != 0
    }

    pub(crate) fn question(&self) -> &[u8] {
        self.question
    }

    /// As a message of a lookup.
    pub(crate) fn step(&self) -> PlainStep<'_> {
        let record = self.record;
        PlainStep {
            pid: record.owner.tgid,
            tid: record.tid,
            cookie: record.cookie,
            id: record.id,
            sent_ns: record.send.at_ns,
            end_ns: record.end_ns,
            server_ip: &record.send.peer_ip,
            server_port: record.send.peer_port,
            question: self.question,
            fingerprint: self.fingerprint,
            is_nxdomain: self.is_nxdomain(),
            answers: record.answers,
        }
    }

    pub(crate) fn exchange(&self) -> PlainExchange {
        let record = self.record;
        PlainExchange {
            arrived_ns: record.send.at_ns,
            ended_ns: record.end_ns,
            cookie: record.cookie,
            peer: address(record.send.peer_ip, record.send.peer_port),
            id: record.id,
            answer_bytes: record.answer_bytes,
            is_nxdomain: self.is_nxdomain(),
            is_no_data: self.is_no_data(),
            wants_recursion: self.wants_recursion(),
            queued_bytes: record.queued_bytes,
            question: self.fingerprint,
        }
    }

    /// All of it.
    pub(crate) fn attempt(&self) -> Option<Attempt> {
        let mut events = Vec::new();
        decode(self.bytes, &mut events)?;
        match events.pop() {
            Some(Event::Ended(attempt)) => Some(attempt),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::attempt::Outcome;
    use crate::attempt::Transport;
    use crate::sample;

    fn octets(ip: IpAddr) -> [u8; 16] {
        match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        }
    }

    /// The record of the ring buffer that tells of this answered attempt; aligned as there.
    pub(crate) fn encoded(attempt: &Attempt) -> Vec<u64> {
        let answer = attempt.answer.expect("an answer");
        let mut short = dns_short_record::default();
        let record = &mut short.record;
        record.kind = dns_kind::DNS_ANSWERED.0 as u8;
        record.role = match attempt.role {
            Role::Client => 1,
            Role::Server => 2,
        };
        record.transport = match attempt.transport {
            Transport::Udp => libc::IPPROTO_UDP as u8,
            Transport::Tcp => libc::IPPROTO_TCP as u8,
        };
        record.first_ns = attempt.first_ns;
        record.end_ns = attempt.end_ns;
        record.cookie = attempt.cookie;
        record.owner.cgroup_id = attempt.owner.cgroup_id;
        record.owner.netns = attempt.owner.netns;
        record.owner.tgid = attempt.owner.pid.unwrap_or(0);
        record.tid = attempt.owner.tid.unwrap_or(0);
        let comm = attempt.owner.comm;
        record.owner.comm[..comm.as_bytes().len()].copy_from_slice(comm.as_bytes());
        record.send.at_ns = attempt.sent_ns;
        record.send.attempt = attempt.number;
        record.send.local_ip = octets(attempt.local.ip());
        record.local_port = attempt.local.port();
        record.send.peer_ip = octets(attempt.peer.ip());
        record.send.peer_port = attempt.peer.port();
        record.id = attempt.id.expect("a message");
        record.query_bytes = attempt.query_bytes;
        record.answer_bytes = answer.bytes;
        record.answers = answer.answers;
        record.flags = 0x8000 | answer.rcode.to_int() & RCODE_MASK;
        if answer.truncated {
            record.flags |= FLAG_TC;
        }
        for (is_set, flag) in [
            (answer.bits.authoritative, FLAG_AA),
            (answer.bits.checking_disabled, FLAG_CD),
            (answer.bits.recursion_desired, FLAG_RD),
            (answer.bits.recursion_available, FLAG_RA),
        ] {
            record.flags |= if is_set { flag } else { 0 };
        }
        record.queued_bytes = attempt.queued_bytes;
        record.other_question = attempt.ignored.other_question;
        record.other_source = attempt.ignored.other_source;
        let question = attempt.question.as_bytes();
        record.question_len = u16::try_from(question.len()).expect("a short one");
        short.question[..question.len()].copy_from_slice(question);
        // SAFETY: padded by hand.
        let bytes = unsafe { plain::as_bytes(&short) };
        let words = bytes.chunks_exact(8);
        words
            .map(|word| u64::from_ne_bytes(word.try_into().expect("eight")))
            .collect()
    }

    pub(crate) fn bytes(words: &[u64]) -> &[u8] {
        // SAFETY: any u64 is eight octets.
        unsafe { words.align_to::<u8>().1 }
    }

    fn is_plain(change: impl FnOnce(&mut Attempt)) -> bool {
        let mut attempt = sample::plain_attempt();
        change(&mut attempt);
        PlainRecord::of(bytes(&encoded(&attempt))).is_some()
    }

    fn answer(attempt: &mut Attempt) -> &mut crate::attempt::Answer {
        attempt.answer.as_mut().expect("an answer")
    }

    #[test]
    fn only_what_is_answered_at_once_and_fine_is_plain() {
        use domain::base::iana::OptRcode;
        assert!(is_plain(|_| {}));
        assert!(is_plain(|it| it.role = Role::Server));
        assert!(is_plain(|it| answer(it).rcode = OptRcode::NXDOMAIN));
        assert!(is_plain(|it| it.end_ns = it.sent_ns + LATENCY_WARNING_NS));
        assert!(!is_plain(
            |it| it.end_ns = it.sent_ns + LATENCY_WARNING_NS + 1
        ));
        assert!(!is_plain(|it| it.transport = Transport::Tcp));
        assert!(!is_plain(|it| answer(it).rcode = OptRcode::SERVFAIL));
        assert!(!is_plain(|it| answer(it).truncated = true));
        let no_recursion = |it: &mut Attempt, available| {
            answer(it).answers = 0;
            answer(it).bits.recursion_desired = true;
            answer(it).bits.recursion_available = available;
        };
        assert!(!is_plain(|it| no_recursion(it, false)));
        assert!(is_plain(|it| no_recursion(it, true)));
        assert!(!is_plain(|it| it.number = 2));
        assert!(!is_plain(|it| it.first_ns -= 1));
        assert!(!is_plain(|it| it.owner.pid = None));
        assert!(!is_plain(|it| it.queued_bytes = QUEUED_BYTES));
        assert!(is_plain(|it| it.queued_bytes = QUEUED_BYTES - 1));
        assert!(is_plain(|it| {
            it.role = Role::Server;
            it.queued_bytes = QUEUED_BYTES;
        }));
        assert!(!is_plain(|it| it.ignored.other_question = 1));
        assert!(!is_plain(|it| it.ignored.other_source = 1));
        assert!(!is_plain(
            |it| it.question = crate::attempt::RawQuestion::new(b"\x03ww")
        ));
    }

    #[test]
    fn nonsense_is_not_plain_and_an_encoded_attempt_is_itself() {
        let words = encoded(&sample::plain_attempt());
        for len in 0..bytes(&words).len() {
            assert!(PlainRecord::of(&bytes(&words)[..len]).is_none());
        }
        let record = PlainRecord::of(bytes(&words)).expect("it is plain");
        let attempt = record.attempt().expect("it is one");
        assert_eq!(attempt.outcome, Outcome::Answered);
        assert_eq!(attempt, sample::plain_attempt());
    }
}
